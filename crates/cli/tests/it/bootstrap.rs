//! `bootstrap` on the embedded store.

use crate::support::Installation;

#[test]
fn the_listed_tenants_are_created_and_checked() {
    let here = Installation::new();
    let made = here.json(&["bootstrap", "--tenant-ids", "default,demo", "--tenant-id", "my-tenant"]);
    let whats: Vec<_> =
        made["done"].as_array().unwrap().iter().map(|done| done["what"].as_str().unwrap()).collect();
    assert_eq!((whats, &made["healthy"]), (vec!["tenant my-tenant", "tenant demo"], &true.into()));
    let again = here.run(&["bootstrap", "--tenant-ids", "default,demo,my-tenant"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), "nothing to do: 3 of 3 tenants are complete\n");
    assert!(again.status.success());
    let checks = here.json(&["bootstrap", "--health-check", "--tenant-id", "demo"]);
    let names: Vec<_> =
        checks["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(names, ["store", "tenant demo"]);
}

#[test]
fn a_health_check_creates_no_tenant_and_names_what_is_missing() {
    let here = Installation::new();
    for _ in 0..2 {
        let output = here.run(&["bootstrap", "--health-check", "--tenant-ids", "default,demo"]);
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && table.contains("tenant demo"), "{table}");
    }
    here.fails(1, &["tenant", "show", "demo"]);
}

#[test]
fn a_damaged_tenant_is_reported_and_not_recreated() {
    let here = Installation::new();
    here.json(&["bootstrap"]);
    let file = std::fs::read_dir(here.path().join("data/tenants")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&file).unwrap();
    for command in [&["bootstrap"][..], &["bootstrap", "--health-check"]] {
        let output = here.run(command);
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && table.contains("tenant default"), "{command:?}: {table}");
    }
    // A bootstrap of another tenant is not affected.
    assert!(here.run(&["bootstrap", "--tenant-id", "demo"]).status.success());
}

#[test]
fn the_tenants_come_from_the_environment_unless_flags_name_some() {
    let here = Installation::new();
    let bootstrap = |args: &[&str]| {
        let mut command = here.command(&[&["bootstrap"], args].concat());
        command.env("TENANT_IDS", "default,from-environment").output().unwrap()
    };
    assert!(bootstrap(&["--tenant-id", "from-flag"]).status.success());
    here.fails(1, &["tenant", "show", "from-environment"]);
    assert!(bootstrap(&[]).status.success());
    here.json(&["tenant", "show", "from-environment"]);
    here.json(&["tenant", "show", "from-flag"]);
}
