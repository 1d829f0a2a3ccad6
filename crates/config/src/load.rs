//! The configuration file, read within a size limit.

use std::path::Path;

use crate::examine::examine;
use crate::finding::Finding;
use crate::model::Config;

/// The longest configuration file, in bytes: it is a page of text.
const FILE_LIMIT: u64 = 256 * 1024;

/// Reads and examines the file.
///
/// # Errors
///
/// All findings, when any of them is an error; a file that cannot be read is one.
pub fn load(path: &Path) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    match read(path) {
        Ok(text) => examine(&text),
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
