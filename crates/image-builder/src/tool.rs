//! The two programs of the host that a build runs, `dtc` and `mke2fs`. They get no environment of the host's, which might
//! change an image's bytes.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The program's name.
    pub name: &'static str,
    /// The Debian package it is in.
    pub package: &'static str,
}

/// The device tree compiler.
pub const DTC: Tool = Tool { name: "dtc", package: "device-tree-compiler" };
/// Makes ext4 file systems.
pub const MKE2FS: Tool = Tool { name: "mke2fs", package: "e2fsprogs" };

/// An error of a program of the host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not installed.
    #[error(
        "the program {name} is needed and not on this machine: install the package {package} (Debian: `sudo apt install {package}`)"
    )]
    Missing {
        /// The program.
        name: &'static str,
        /// The package it is in.
        package: &'static str,
    },
    /// The program could not be started, or the pipes to it failed.
    #[error("running {name} failed")]
    Run {
        /// The program.
        name: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The program ended with a failure.
    #[error("{name} failed while it was to {task}: {message}")]
    Failed {
        /// The program.
        name: &'static str,
        /// The task, as an infinitive with its object.
        task: String,
        /// The program's standard error.
        message: String,
    },
}

impl Tool {
    /// Runs the program with `input` on its standard input; gives its standard output.
    pub fn run(
        self,
        task: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let name = self.name;
        let failed = |source| Error::Run { name, source };
        let path = self.find()?;
        let mut child = Command::new(path)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program that stops reading early says why on its standard error, which is what counts.
            let _unheard = pipe.write_all(input);
        }
        let output = child.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Failed { name, task: task.to_owned(), message });
        }
        Ok(output.stdout)
    }

    /// The program's path: from `PATH`, or from the directories that Debian leaves out of an ordinary user's `PATH`.
    fn find(self) -> Result<PathBuf, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        let mut places = folders.map(|folder: PathBuf| folder.join(self.name));
        places.find(|place| place.is_file()).ok_or(Error::Missing { name: self.name, package: self.package })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let tool = Tool { name: "surely-not-installed", package: "some-package" };
        let error = tool.run("do", &[], &[], b"").unwrap_err();
        assert!(error.to_string().contains("sudo apt install some-package"), "{error}");
    }

    #[test]
    fn what_a_program_complains_about_is_passed_on() {
        let error =
            DTC.run("compile nonsense", &["-I", "dts", "-O", "dtb", "-"], &[], b"nonsense").unwrap_err();
        assert!(matches!(error, Error::Failed { .. } | Error::Missing { .. }), "{error}");
    }
}
