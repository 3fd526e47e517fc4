//! Settings: where they come from, which one is used, and what is refused; no output contains a secret.

use std::process::Output;
use std::time::{Duration, Instant};

use crate::support::Installation;

/// Runs with these variables instead of `DATABASE_URL`, and returns exit code and standard error.
fn with(variables: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let here = Installation::new();
    let mut command = here.command(args);
    command.env_remove("DATABASE_URL").env("HOME", here.path()).envs(variables.iter().copied());
    code_and_errors(&command.output().unwrap())
}

fn code_and_errors(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let here = Installation::new();
    let file = here.path().join("settings.toml");
    std::fs::write(&file, "store = \"sqlite:from-file\"\n").unwrap();
    let exists = |folder: &str| here.path().join(folder).exists();
    let listed =
        here.command(&["--config", "settings.toml", "tenant", "list"]).env_remove("DATABASE_URL").output();
    assert!(listed.unwrap().status.success() && exists("from-file"));
    here.json(&["--config", "settings.toml", "tenant", "list"]);
    assert!(exists("data"));
    here.json(&["--config", "settings.toml", "--store", "sqlite:from-flag", "tenant", "list"]);
    assert!(exists("from-flag"));
    std::fs::write(&file, "stroe = \"sqlite:x\"\n").unwrap();
    let errors = here.fails(2, &["--config", "settings.toml", "tenant", "list"]);
    assert!(errors.contains("stroe"), "{errors}");
}

#[test]
fn without_settings_the_store_is_in_the_users_data_directory() {
    let here = Installation::new();
    let mut command = here.command(&["tenant", "list"]);
    let output = command.env_remove("DATABASE_URL").env("HOME", here.path()).output().unwrap();
    assert!(output.status.success());
    assert!(here.path().join(".local/share/context-service/control.db").exists());
}

#[test]
fn an_empty_database_url_is_not_set() {
    let here = Installation::new();
    let mut command = here.command(&["tenant", "list"]);
    let output = command.env("DATABASE_URL", "").env("HOME", here.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(here.path().join(".local/share/context-service/control.db").exists());
}

/// A port on which nothing listens.
const CLOSED: (&str, &str) = ("DB_PORT", "1");

#[test]
fn one_part_of_a_database_selects_postgresql_and_the_rest_has_defaults() {
    for (variables, names) in [
        (&[CLOSED, ("DB_HOST", "127.0.0.1")][..], ["127.0.0.1:1", "context_user", "context_service"]),
        (&[CLOSED, ("DB_HOST", "")], ["localhost:1", "context_user", "context_service"]),
        (&[CLOSED, ("DB_USER", "ann"), ("DB_NAME", "n/1")], ["localhost:1", "ann", "n/1"]),
    ] {
        let begun = Instant::now();
        let variables = [variables, &[("DB_PASSWORD", "se:cr@et/")]].concat();
        let (code, errors) = with(&variables, &["tenant", "list"]);
        assert_eq!(code, Some(1), "{errors}");
        for name in names {
            assert!(errors.contains(name), "{name}: {errors}");
        }
        assert!(!errors.contains("se:cr") && !errors.contains("cr%40et"), "{errors}");
        assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    }
}

#[test]
fn empty_variables_are_not_set() {
    let names = [
        "DB_HOST",
        "DB_PORT",
        "DB_NAME",
        "DB_USER",
        "DB_PASSWORD",
        "DB_CONNECTION_MODE",
        "DATABASE_URL",
        "DATABASE_ADMIN_URL",
        "TENANT_IDS",
        "RUST_LOG",
    ];
    let (code, errors) = with(&names.map(|name| (name, "")), &["bootstrap"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn the_url_overrides_the_parts_with_a_notice() {
    let here = Installation::new();
    let listed = |args: &[&str]| {
        let mut command = here.command(args);
        code_and_errors(
            &command.env("DB_HOST", "db").env("DB_PASSWORD", "secret").env("DB_PORT", "x").output().unwrap(),
        )
    };
    let (code, errors) = listed(&["tenant", "list"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        errors.contains("DATABASE_URL") && errors.contains("DB_HOST, DB_PORT, DB_PASSWORD are ignored"),
        "{errors}"
    );
    assert!(!errors.contains("secret"), "{errors}");
    assert_eq!(listed(&["--store", "sqlite:other", "tenant", "list"]), (Some(0), String::new()));
}

#[test]
fn the_owners_connection_alone_is_not_enough_to_serve() {
    let admin = ("DATABASE_ADMIN_URL", "postgres://owner:secret@127.0.0.1:1/db");
    let (code, errors) = with(&[admin], &["tenant", "list"]);
    assert!(code == Some(2) && errors.contains("DATABASE_URL") && !errors.contains("secret"), "{errors}");
    let (code, errors) = with(&[admin], &["bootstrap"]);
    assert!(code == Some(1) && errors.contains("127.0.0.1:1") && !errors.contains("secret"), "{errors}");
}

#[test]
fn a_different_database_of_the_owner_is_pointed_out() {
    let owner_of = |database: &str| format!("postgres://owner:secret@127.0.0.1:1/{database}");
    let bootstrap = |admin: &str| {
        with(
            &[("DATABASE_URL", "postgres://ann:secret@127.0.0.1:1/shop"), ("DATABASE_ADMIN_URL", admin)],
            &["bootstrap"],
        )
    };
    let (_, errors) = bootstrap(&owner_of("shop"));
    assert!(!errors.contains("served from the other"), "{errors}");
    let (_, errors) = bootstrap(&owner_of("store"));
    assert!(errors.contains("store and DATABASE_URL shop") && !errors.contains("secret"), "{errors}");
}

#[test]
fn unusable_settings_are_refused_without_printing_a_secret() {
    let secret = "postgres://u:secret@h/db";
    for (variables, args, says) in [
        (
            &[("DATABASE_ADMIN_URL", secret), ("DATABASE_URL", "sqlite:data")][..],
            &["tenant", "list"][..],
            "--admin-store",
        ),
        (&[], &["--connection-mode", "pooled", "tenant", "list"], "--connection-mode"),
        (&[], &["--max-connections", "4", "tenant", "list"], "--max-connections"),
        (&[("DATABASE_URL", secret)], &["--max-connections", "0", "tenant", "list"], "--max-connections"),
        (&[("DB_CONNECTION_MODE", "fast")], &["tenant", "list"], "auto, direct or pooled"),
        (&[("DB_PORT", "x"), ("DB_PASSWORD", "secret")], &["tenant", "list"], "DB_PORT"),
        (&[("DATABASE_URL", "postgres://u:secret@h:port/db")], &["tenant", "list"], "--store"),
        (&[("DATABASE_URL", "mysql://u:secret@h/db")], &["tenant", "list"], "--store"),
        (&[("DATABASE_ADMIN_URL", "sqlite:data")], &["tenant", "list"], "--admin-store"),
        (&[("TENANT_IDS", "default,My Tenant")], &["bootstrap"], "TENANT_IDS"),
        (&[], &["bootstrap", "--tenant-ids", "default, demo"], "--tenant-ids"),
        (&[], &["bootstrap", "--tenant-id", "Ünit"], "a letter or a digit"),
        (&[], &["bootstrap", "--tenant-ids", ""], "a letter or a digit"),
        (&[], &["bootstrap", "--force-recreate"], "--yes"),
        (&[], &["bootstrap", "--force-recreate", "--yes"], "--force-recreate"),
        (&[], &["bootstrap", "--serving-role", "r"], "--serving-role"),
        (&[], &["bootstrap", "--health-check", "--force-recreate", "--yes"], "--health-check"),
    ] {
        let (code, errors) = with(variables, args);
        assert!(code == Some(2) && errors.contains(says), "{variables:?} {args:?}: {errors}");
        assert!(!errors.contains("secret"), "{errors}");
    }
}

#[test]
fn the_file_has_every_setting_and_its_errors_quote_no_line() {
    let here = Installation::new();
    let run = |text: &str, args: &[&str]| {
        here.write("settings.toml", text);
        let mut command = here.command(&[&["--config", "settings.toml"], args].concat());
        code_and_errors(&command.env_remove("DATABASE_URL").output().unwrap())
    };
    let (code, errors) = run(
        "store = \"postgres://ann:secret@127.0.0.1:1/db\"\n\
         admin_store = \"postgres://owner:secret@127.0.0.1:1/db\"\n\
         connection_mode = \"pooled\"\nmax_connections = 2\ntenant_ids = [\"default\"]\n",
        &["tenant", "list"],
    );
    assert!(code == Some(1) && errors.contains("ann"), "{errors}");
    assert_eq!(
        run("store = \"sqlite:data\"\ntenant_ids = [\"demo\"]\n", &["bootstrap"]),
        (Some(0), String::new())
    );
    assert_eq!(here.json(&["tenant", "show", "demo"])["items"][0]["id"], "demo");
    for text in [
        "listen = \"x\"\nstore = \"postgres://u:secret@h/db\n",
        "store \"postgres://u:secret@h/db?x=1\"\n",
        "x = \"\"\nstore = \"postgres://u:secret@h/db\"\n",
    ] {
        let (code, errors) = run(text, &["tenant", "list"]);
        assert!(code == Some(2) && errors.contains("line ") && !errors.contains("secret"), "{errors}");
    }
}
