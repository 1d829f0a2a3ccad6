//! The descriptions of images and boards, `image/image.toml` and `board/NAME/board.toml`: an unknown key is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// An error of a description.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the folder nor one above it has an `image/image.toml`.
    #[error("{0} is not Hearth's source folder: it has no image/image.toml; go there or pass --project DIR")]
    NotAProject(PathBuf),
    /// There is no `board/NAME/board.toml`.
    #[error("there is no board {name:?}; the boards are: {boards}")]
    UnknownBoard {
        /// The name.
        name: String,
        /// The described boards, separated by commas.
        boards: String,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file is no valid TOML, or has unknown, missing or mistyped keys.
    #[error("{path} is not a valid description: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The parser's message, with the position.
        message: String,
    },
}

/// The folder with `image/` and `board/`.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The project in `folder`, or in the nearest folder above it.
    pub fn find(folder: &Path) -> Result<Self, Error> {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let root = absolute.ancestors().find(|place| place.join("image/image.toml").is_file());
        root.map(|root| Self { root: root.to_owned() }).ok_or(Error::NotAProject(absolute))
    }

    /// A path inside the project.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The text of a file in the project.
    pub fn text(&self, relative: &str) -> Result<String, Error> {
        let path = self.path(relative);
        std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })
    }

    /// The bytes of a file in the project.
    pub fn bytes(&self, relative: &str) -> Result<Vec<u8>, Error> {
        let path = self.path(relative);
        std::fs::read(&path).map_err(|source| Error::Read { path, source })
    }

    /// The names of the described boards, sorted.
    pub fn boards(&self) -> Result<Vec<String>, Error> {
        let folder = self.path("board");
        let failed = |source| Error::Read { path: folder.clone(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().join("board.toml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The description of one board.
    pub fn board(&self, name: &str) -> Result<Board, Error> {
        let boards = self.boards()?;
        if !boards.iter().any(|known| known == name) {
            return Err(Error::UnknownBoard { name: name.to_owned(), boards: boards.join(", ") });
        }
        let mut board: Board = self.toml(&format!("board/{name}/board.toml"))?;
        name.clone_into(&mut board.name);
        Ok(board)
    }

    /// The description of the parts that all boards have.
    pub fn image(&self) -> Result<Image, Error> {
        self.toml("image/image.toml")
    }

    /// The files below `image/rootfs` by path, which go into every initramfs unchanged.
    pub fn root_files(&self) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut files = BTreeMap::new();
        let mut waiting = vec![String::new()];
        while let Some(folder) = waiting.pop() {
            let path = self.path("image/rootfs").join(&folder);
            let failed = |source| Error::Read { path: path.clone(), source };
            for entry in std::fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                if entry.file_type().map_err(failed)?.is_dir() {
                    waiting.push(format!("{name}/"));
                } else {
                    let bytes = self.bytes(&format!("image/rootfs/{name}"))?;
                    files.insert(name, bytes);
                }
            }
        }
        Ok(files)
    }

    fn toml<T: serde::de::DeserializeOwned>(&self, relative: &str) -> Result<T, Error> {
        toml::from_str(&self.text(relative)?)
            .map_err(|error| Error::Invalid { path: self.path(relative), message: error.to_string() })
    }
}

/// `image/image.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Parameters of the kernel on every board.
    pub kernel_arguments: Vec<String>,
    /// Empty directories of the initramfs.
    pub folders: Vec<String>,
    /// Files from packages that go into every initramfs.
    #[serde(default, rename = "file")]
    pub files: Vec<PackageFile>,
}

/// One file of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// The entry of `image/packages.toml`.
    pub package: String,
    /// The file's path in the package.
    pub from: String,
    /// The file's path in the initramfs.
    pub to: String,
    /// Whether the file is executable.
    #[serde(default)]
    pub program: bool,
}

/// `board/NAME/board.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// The board's name for readers.
    pub title: String,
    /// Values of `console=`; the last one becomes `/dev/console`.
    pub consoles: Vec<String>,
    /// Parameters of the kernel on this board.
    pub kernel_arguments: Vec<String>,
    /// The sections of `image/modules.toml` that the board needs.
    pub modules: Vec<String>,
    /// Device firmware for the initramfs.
    #[serde(default)]
    pub firmware: Vec<PackageFiles>,
    /// The files of the boot partition.
    pub boot: Boot,
}

impl Board {
    /// The kernel's command line on this board.
    #[must_use]
    pub fn command_line(&self, image: &Image) -> String {
        let consoles = self.consoles.iter().map(|console| format!("console={console}"));
        let arguments = image.kernel_arguments.iter().chain(&self.kernel_arguments).cloned();
        consoles.chain(arguments).collect::<Vec<_>>().join(" ")
    }
}

/// Several files of one directory of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFiles {
    /// The entry of `image/packages.toml`.
    pub package: String,
    /// The directory in the package, with a slash at the end.
    pub from: String,
    /// The target directory, with a slash at the end; the root directory if left out.
    #[serde(default)]
    pub to: String,
    /// The files' names.
    pub names: Vec<String>,
}

/// The files of the boot partition besides `cmdline.txt`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Files of the board's own folder.
    pub files: Vec<String>,
    /// Overlays of the board's own folder, `overlays/NAME.dtso`, compiled to `overlays/NAME.dtbo`.
    pub overlays: Vec<String>,
    /// The kernel's device trees; they lose their folder on the boot partition.
    pub device_trees: Vec<String>,
    /// Whether U-Boot starts the kernel: then `boot.scr` and `uboot.env` are there.
    pub u_boot: bool,
    /// Files from packages.
    #[serde(default, rename = "package")]
    pub packages: Vec<PackageFiles>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        Project::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn every_board_of_the_repository_is_valid() {
        let boards = project().boards().unwrap();
        assert_eq!(boards, ["qemu-virt", "rpi"]);
        let image = project().image().unwrap();
        for name in boards {
            let board = project().board(&name).unwrap();
            for file in &board.boot.files {
                project().bytes(&format!("board/{name}/{file}")).unwrap();
            }
            assert!(board.command_line(&image).contains("rdinit=/init"));
        }
    }

    #[test]
    fn the_pis_command_line_is_the_documented_one() {
        let (board, image) = (project().board("rpi").unwrap(), project().image().unwrap());
        assert_eq!(
            board.command_line(&image),
            "console=tty1 console=ttyS1,115200 rdinit=/init panic=10 net.ifnames=0 loglevel=4 watchdog.open_timeout=120"
        );
    }

    #[test]
    fn an_unknown_board_is_answered_with_the_known_ones() {
        let error = project().board("toaster").unwrap_err().to_string();
        assert_eq!(error, "there is no board \"toaster\"; the boards are: qemu-virt, rpi");
        assert!(project().board("../board/rpi").is_err());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("image")).unwrap();
        std::fs::write(folder.path().join("image/image.toml"), "kernel_arguments = []\nfoldres = []\n")
            .unwrap();
        let project = Project::find(folder.path()).unwrap();
        let error = project.image().unwrap_err().to_string();
        assert!(error.contains("image.toml") && error.contains("foldres"), "{error}");
    }

    #[test]
    fn a_folder_without_descriptions_says_what_to_pass() {
        let folder = tempfile::tempdir().unwrap();
        let error = Project::find(folder.path()).unwrap_err().to_string();
        assert!(error.contains("--project"), "{error}");
    }
}
