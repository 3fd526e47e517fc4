//! The URL that names a store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Names a store: `sqlite:<folder>` is the embedded store in that folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    folder: PathBuf,
}

impl StoreUrl {
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.folder.display())
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is no rule of ours is not repeated: a mistyped URL may hold a password.
        match text.split_once(':') {
            Some(("sqlite", folder)) if folder.starts_with("//") => Err(
                "after sqlite: comes a folder as the system writes it, without '//' before it: sqlite:/srv/contexts"
                    .to_owned(),
            ),
            Some(("sqlite", "")) => Err("after sqlite: comes a folder: sqlite:./data".to_owned()),
            Some(("sqlite", folder)) => Ok(Self { folder: PathBuf::from(folder) }),
            Some(("postgres" | "postgresql", _)) => {
                Err("this build has the embedded store only: name a folder with sqlite:<folder>".to_owned())
            }
            _ => Err("a store is named sqlite:<folder>".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_as_it_is_written() {
        for text in ["sqlite:./data", "sqlite:/srv/a b?c=d", "sqlite:C:\\data", "sqlite:data"] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_store_of_this_build_is_refused_without_being_repeated() {
        for text in ["postgres://u:secret@h/db", "postgresql://u:secret@h/db"] {
            let rule = text.parse::<StoreUrl>().unwrap_err();
            assert!(rule.contains("embedded store only") && !rule.contains("secret"), "{rule}");
        }
        for text in ["", "data", "sqlite", "sqlite:", "sqlite:///data", "mysql://u:secret@h", "SQLITE:data"] {
            let rule = text.parse::<StoreUrl>().unwrap_err();
            assert!(rule.contains("sqlite:") && !rule.contains("secret"), "{rule}");
        }
    }
}
