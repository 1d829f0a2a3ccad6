//! Advice about keys that stand in the wrong table, and about values that are no TOML. The sample knows the table of
//! every key; a test sees to that.

/// The sample of a configuration, with every key.
pub(crate) const SAMPLE: &str = include_str!("../hearth.sample.toml");

/// The remedy for an unknown key of the table at `path`, which is empty at the top of the file.
pub(crate) fn unknown_key(key: &str, path: &str, known: &[&str]) -> String {
    match table_of(key) {
        Some("") if !path.is_empty() => {
            "It belongs at the top of the file, before the first table.".to_owned()
        }
        Some(table) if table != path && !table.is_empty() => format!("It belongs below [{table}]."),
        _ => format!("Known here: {}.", known.join(", ")),
    }
}

/// The remedy for a text that is no TOML, by the parser's message.
pub(crate) fn no_toml(message: &str) -> &'static str {
    if message.contains("quoted") || message.contains("invalid float") {
        "Put a value that has letters in it into quotes, as in quota = \"500 MB\"."
    } else {
        "Correct the marked place."
    }
}

/// The table in which the sample has a key; empty for the top of the file.
fn table_of(key: &str) -> Option<&'static str> {
    let mut table = "";
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name;
        } else if line
            .strip_prefix('#')
            .and_then(|rest| rest.strip_prefix(key))
            .is_some_and(|rest| rest.starts_with(" ="))
        {
            return Some(table);
        }
    }
    None
}
