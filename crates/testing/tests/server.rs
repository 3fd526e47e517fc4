//! The private server: its databases and roles, its end, and that nothing of it is left.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use context_testing::{OWNER, PASSWORD, PASSWORD_USER, PoolMode, SERVER, SUPERUSER, Server};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

/// If this variable names a file, this process is the one to be killed: it writes the process numbers and
/// folders of its programs to the file, and waits.
const VICTIM: &str = "CONTEXT_TESTING_VICTIM";

#[tokio::test]
async fn each_database_is_new_and_belongs_to_the_owner() {
    let server = context_testing::postgres().await;
    let first = server.create_database("shop").await;
    let second = server.create_database("shop").await;
    assert_ne!(first, second);
    let client = server.connect(OWNER, &first).await;
    client.batch_execute("CREATE SCHEMA made_by_the_owner").await.unwrap();
    let row = client
        .query_one("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, bool>(1)), (false, true));
}

#[tokio::test]
async fn the_serving_role_may_connect_and_create_nothing() {
    let server = context_testing::postgres().await;
    let name = server.create_database("served").await;
    let client = server.connect(SERVER, &name).await;
    for statement in ["CREATE SCHEMA mine", "CREATE DATABASE mine", "CREATE ROLE mine"] {
        let refused = client.batch_execute(statement).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}");
    }
}

#[tokio::test]
async fn a_clone_has_the_rows_of_its_template_and_is_independent() {
    let server = context_testing::postgres().await;
    let template = server.create_database("template").await;
    server.connect(OWNER, &template).await.batch_execute("CREATE TABLE t AS SELECT 1 AS n").await.unwrap();
    let (one, two) =
        tokio::join!(server.clone_database(&template, "copy"), server.clone_database(&template, "copy"));
    server.connect(OWNER, &one).await.batch_execute("UPDATE t SET n = 2").await.unwrap();
    let row = server.connect(OWNER, &two).await.query_one("SELECT n FROM t", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 1);
    server.drop_database(&one).await;
    assert!(tokio_postgres::connect(&server.url(&one), NoTls).await.is_err());
}

#[tokio::test]
async fn one_role_needs_its_password() {
    let server = context_testing::postgres().await;
    let name = server.create_database("guarded").await;
    assert!(tokio_postgres::connect(&server.url_with_password(PASSWORD, &name), NoTls).await.is_ok());
    let refused =
        tokio_postgres::connect(&server.url_with_password("wrong", &name), NoTls).await.err().unwrap();
    assert_eq!(refused.code(), Some(&SqlState::INVALID_PASSWORD));
    assert!(tokio_postgres::connect(&server.url_as(PASSWORD_USER, &name), NoTls).await.is_err());
}

#[tokio::test]
async fn a_server_can_have_settings_access_rules_and_files() {
    let server = Server::builder()
        .durable()
        .setting("include = 'more.conf'")
        .file("more.conf", "work_mem = '7MB'\n")
        .access(&format!("host all {SERVER} 127.0.0.1/32 reject"))
        .start()
        .await;
    let client = server.connect(SUPERUSER, SUPERUSER).await;
    let row =
        client.query_one("SELECT current_setting('fsync'), current_setting('work_mem')", &[]).await.unwrap();
    assert_eq!((row.get::<_, String>(0), row.get::<_, String>(1)), ("on".to_owned(), "7MB".to_owned()));
    let refused = tokio_postgres::connect(&server.url_as(SERVER, SUPERUSER), NoTls).await.err().unwrap();
    assert_eq!(refused.code(), Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION));
    assert!(server.socket_folder().join(format!(".s.PGSQL.{}", server.port())).exists());
}

#[tokio::test]
async fn a_killed_server_restarts_with_what_was_committed() {
    let server = Server::builder().durable().start().await;
    let name = server.create_database("kept").await;
    let client = server.connect(OWNER, &name).await;
    client.batch_execute("CREATE TABLE t AS SELECT 1 AS n").await.unwrap();
    let before = server.pid();
    server.kill();
    assert!(client.batch_execute("SELECT 1").await.is_err());
    assert!(tokio_postgres::connect(&server.url(&name), NoTls).await.is_err());
    server.restart();
    assert_ne!(server.pid(), before);
    let rows = server.connect(OWNER, &name).await.query("SELECT n FROM t", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(server.log().contains("database system was not properly shut down"), "{}", server.log());
}

#[tokio::test]
async fn a_dropped_server_ends_and_its_folder_is_removed() {
    let server = Server::builder().start().await;
    let (folder, url) = (server.socket_folder(), server.url_as(SUPERUSER, SUPERUSER));
    drop(server);
    assert!(!folder.exists());
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
}

#[test]
fn nothing_is_left_after_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("note");
    let mut victim = run_again("victim").env(VICTIM, &note).spawn().unwrap();
    await_that(|| {
        assert!(victim.try_wait().unwrap().is_none(), "the victim ended early");
        note.exists()
    });
    let programs = read_note(&note);
    assert!(programs.iter().all(|(pid, folder)| folder.exists() && is_alive(*pid)));
    victim.kill().unwrap();
    victim.wait().unwrap();
    await_that(|| programs.iter().all(|(pid, folder)| !folder.exists() && !is_alive(*pid)));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test above starts this one with a variable")]
async fn victim() {
    let Some(note) = std::env::var_os(VICTIM).map(PathBuf::from) else { return };
    let server = context_testing::postgres().await;
    let pooler = context_testing::pgbouncer(server, PoolMode::Session, 1).await;
    let (one, two) = (server.socket_folder(), pooler.socket_folder());
    let unfinished = note.with_extension("unfinished");
    let text = format!("{} {}\n{} {}\n", server.pid(), one.display(), pooler.pid(), two.display());
    fs::write(&unfinished, text).unwrap();
    fs::rename(&unfinished, &note).unwrap();
    thread::sleep(Duration::from_mins(10));
}

#[test]
fn without_a_server_the_message_says_what_to_install() {
    let output = run_again("each_database_is_new_and_belongs_to_the_owner")
        .env("POSTGRES_BIN_DIR", "/")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(printed.contains("POSTGRES_BIN_DIR is /, which has no initdb and postgres"), "{printed}");
}

/// Prepares a second process of this program that runs one test.
fn run_again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).stdout(Stdio::null());
    command
}

fn read_note(note: &Path) -> Vec<(u32, PathBuf)> {
    let text = fs::read_to_string(note).unwrap();
    let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
    pairs.map(|(pid, folder)| (pid.parse().unwrap(), PathBuf::from(folder))).collect()
}

fn is_alive(pid: u32) -> bool {
    Command::new("ps").args(["-p", &pid.to_string(), "-o", "stat="]).output().is_ok_and(|output| {
        let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        !state.is_empty() && !state.starts_with('Z')
    })
}

fn await_that(mut happens: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if happens() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("it did not happen in time");
}
