//! The folder of an export: new, its owner's alone, and on the disk before anything rests on it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A folder that this export made.
pub(super) struct Folder {
    path: PathBuf,
}

/// A file of it, while it is written.
pub(super) struct Writing {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Folder {
    /// Makes the folder. One that is there already is somebody's, and stays as it is.
    pub(super) fn make(path: &Path) -> Result<Self, Failure> {
        make(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Failure::Refused(format!(
                "the folder {} is there already: name one that is not",
                path.display()
            )),
            _ => Failure::file("cannot make the folder", path, source),
        })?;
        Ok(Self { path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it.
    pub(super) fn make_folder(&self, name: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        make(&path).map_err(|source| Failure::file("cannot make the folder", &path, source))
    }

    /// Makes a file in it.
    pub(super) fn create(&self, name: &str) -> Result<Writing, Failure> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file =
            options.open(&path).map_err(|source| Failure::file("cannot make the file", &path, source))?;
        Ok(Writing { path, file: BufWriter::new(file) })
    }

    /// Makes a file in it that holds `text`.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let mut file = self.create(name)?;
        file.write(text.as_bytes())?;
        file.finish()
    }

    /// Has the disk keep the names of what was made; the files themselves it keeps since they were finished.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        let unread = |source| Failure::file("cannot read the folder", &self.path, source);
        for entry in fs::read_dir(&self.path).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            if path.is_dir() {
                keep(&path)?;
            }
        }
        keep(&self.path)?;
        match self.path.parent() {
            Some(above) if above.as_os_str().is_empty() => keep(Path::new(".")),
            Some(above) => keep(above),
            None => Ok(()),
        }
    }
}

impl Writing {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|source| Failure::file("cannot write", &self.path, source))
    }

    /// Has the disk keep it; where it stands.
    pub(super) fn finish(mut self) -> Result<PathBuf, Failure> {
        let kept = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        kept.map_err(|source| Failure::file("cannot write", &self.path, source))?;
        Ok(self.path)
    }
}

/// The name of a table as that of a file: what is no plain letter becomes one. Two tables that would share a file end the
/// export, because no file is written twice.
pub(super) fn plain(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    name.chars().map(|letter| if plain(letter) { letter } else { '~' }).collect()
}

fn make(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only unix has modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn keep(folder: &Path) -> Result<(), Failure> {
    let kept = File::open(folder).and_then(|folder| folder.sync_all());
    kept.map_err(|source| Failure::file("cannot write the folder", folder, source))
}
