//! The folder of an export: new, readable by its owner only, and synced to the disk before anything is
//! dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::FleetFailure;

/// A folder that this export made.
pub(super) struct ExportFolder {
    path: PathBuf,
}

/// A file in it, while it is written.
pub(super) struct ExportFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl ExportFolder {
    /// Makes the folder. One that exists already is refused and left as it is.
    pub(super) fn make(path: &Path) -> Result<Self, FleetFailure> {
        make_folder(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => FleetFailure::Refused(format!(
                "the folder {} exists already: name one that does not",
                path.display()
            )),
            _ => FleetFailure::of_file("cannot make the folder", path, source),
        })?;
        Ok(Self { path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it.
    pub(super) fn make_folder(&self, name: &str) -> Result<(), FleetFailure> {
        let path = self.path.join(name);
        make_folder(&path).map_err(|source| FleetFailure::of_file("cannot make the folder", &path, source))
    }

    /// Makes a file in it.
    pub(super) fn create(&self, name: &str) -> Result<ExportFile, FleetFailure> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&path)
            .map_err(|source| FleetFailure::of_file("cannot make the file", &path, source))?;
        Ok(ExportFile { path, file: BufWriter::new(file) })
    }

    /// Makes a file in it that holds `text`.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, FleetFailure> {
        let mut file = self.create(name)?;
        file.write(text.as_bytes())?;
        file.finish()
    }

    /// Syncs the folders to the disk, and with them the names in them; the files were synced when they were
    /// finished.
    pub(super) fn sync(&self) -> Result<(), FleetFailure> {
        let unreadable = |source| FleetFailure::of_file("cannot read the folder", &self.path, source);
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                sync_folder(&path)?;
            }
        }
        sync_folder(&self.path)?;
        match self.path.parent() {
            Some(above) if above.as_os_str().is_empty() => sync_folder(Path::new(".")),
            Some(above) => sync_folder(above),
            None => Ok(()),
        }
    }
}

impl ExportFile {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FleetFailure> {
        self.file.write_all(bytes).map_err(|source| FleetFailure::of_file("cannot write", &self.path, source))
    }

    /// Syncs the file to the disk. Returns its path.
    pub(super) fn finish(mut self) -> Result<PathBuf, FleetFailure> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.map_err(|source| FleetFailure::of_file("cannot write", &self.path, source))?;
        Ok(self.path)
    }
}

/// Returns the file name for a table: each character that is not an ASCII letter, a digit, `_` or `-` becomes
/// `~`. Two tables that get the same name end the export with an error, because no file is written twice.
pub(super) fn file_name(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    name.chars().map(|letter| if is_plain(letter) { letter } else { '~' }).collect()
}

fn make_folder(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only unix has modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn sync_folder(folder: &Path) -> Result<(), FleetFailure> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| FleetFailure::of_file("cannot write the folder", folder, source))
}
