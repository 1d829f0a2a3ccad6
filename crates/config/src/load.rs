//! The configuration file, read within a size limit.

use std::path::Path;

use crate::finding::Finding;
use crate::model::Config;
use crate::owner::Base;

/// The longest configuration file, in bytes: it is a page of text.
const FILE_LIMIT: u64 = 256 * 1024;

/// Reads and examines the file.
///
/// # Errors
///
/// All findings, when any of them is an error; a file that cannot be read is one.
pub fn load(path: &Path) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    load_base(path)?.resolve()
}

/// Reads the file, to which an owner's settings can be added.
///
/// # Errors
///
/// One finding, when the file cannot be read or is no TOML.
pub fn load_base(path: &Path) -> Result<Base, Vec<Finding>> {
    match read(path) {
        Ok(text) => Base::parse(&text),
        Err(problem) => {
            let advice = "Name an existing file with --config; an empty file means all defaults.";
            Err(vec![Finding::error(&path.display().to_string(), problem, advice)])
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("The file cannot be read: {error}."))?.len();
    if size > FILE_LIMIT {
        return Err(format!("The file is {size} bytes long; a configuration has at most {FILE_LIMIT}."));
    }
    std::fs::read_to_string(path).map_err(|error| format!("The file cannot be read: {error}."))
}
