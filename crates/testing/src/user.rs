//! The user that servers run as, since PostgreSQL refuses to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The users that are tried, in this order, if the tests run as root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user that a server runs as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum User {
    /// The user that runs the tests.
    Same,
    /// An unprivileged user, because root runs the tests.
    Other {
        /// The user's id.
        uid: u32,
        /// The id of the user's group.
        gid: u32,
    },
}

impl User {
    /// Returns the user that runs the tests, or an unprivileged one if that is root.
    pub(crate) fn unprivileged() -> Self {
        if id(&["-u"]) != Some(0) {
            return Self::Same;
        }
        UNPRIVILEGED
            .iter()
            .find_map(|name| Some(Self::Other { uid: id(&["-u", name])?, gid: id(&["-g", name])? }))
            .expect(
                "root runs the tests, and neither the user `postgres` nor `nobody` exists to run PostgreSQL",
            )
    }

    /// Prepares a command that this user runs in `folder`, without the variables that direct clients to
    /// another server.
    pub(crate) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder);
        for name in [
            "PGDATA",
            "PGPORT",
            "PGHOST",
            "PGOPTIONS",
            "PGUSER",
            "PGDATABASE",
            "PGPASSWORD",
            "PGSERVICE",
            "PGSSLMODE",
        ] {
            command.env_remove(name);
        }
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes this user the owner of `path`.
    pub(crate) fn own(self, path: &Path) {
        if let Self::Other { uid, gid } = self {
            chown(path, Some(uid), Some(gid))
                .unwrap_or_else(|error| panic!("cannot chown {}: {error}", path.display()));
        }
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().expect("the program `id` runs");
    if !output.status.success() {
        return None;
    }
    String::from_utf8(output.stdout).ok()?.trim_end().parse().ok()
}
