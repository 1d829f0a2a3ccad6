//! The results of several servers side by side.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::report::{COLUMNS, Row, shown};

/// A column: its heading and what was measured there.
struct Server {
    name: String,
    rows: Vec<Row>,
}

/// Prints one table of the files' results; what only some of them measured is a dash with the others. Of several results
/// of one name, each measurement is that with the least CPU time: other programs only ever add to it.
pub(crate) fn print(results: &[(String, PathBuf)]) -> Result<()> {
    let servers = least(results.iter().map(read).collect::<Result<_>>()?);
    Ok(std::io::stdout().lock().write_all(table(&servers).as_bytes())?)
}

fn read((name, file): &(String, PathBuf)) -> Result<Server> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let rows = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what `measure --json` prints", file.display()))?;
    Ok(Server { name: name.clone(), rows })
}

fn least(all: Vec<Server>) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for next in all {
        match servers.iter_mut().find(|server| server.name == next.name) {
            Some(server) => next.rows.into_iter().for_each(|row| server.take(row)),
            None => servers.push(next),
        }
    }
    servers
}

impl Server {
    fn take(&mut self, row: Row) {
        let same = self.rows.iter_mut().find(|known| known.what == row.what && known.number == row.number);
        match same {
            Some(known) if row.cpu_milliseconds_each < known.cpu_milliseconds_each => *known = row,
            Some(_) => {}
            None => self.rows.push(row),
        }
    }
}

fn table(servers: &[Server]) -> String {
    let width = servers.iter().map(|server| server.name.len()).max().unwrap_or_default().max(12);
    let line = |first: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("  {cell:>width$}")).collect();
        format!("{first:<54}{cells}\n")
    };
    let names: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
    let mut table = line("", &names);
    for (what, number) in measurements(servers) {
        table.push_str(&if number > 0 { format!("{what}: {number}\n") } else { format!("{what}\n") });
        for column in &COLUMNS {
            let values: Vec<Option<f64>> = servers
                .iter()
                .map(|server| {
                    let row = server.rows.iter().find(|row| row.what == what && row.number == number);
                    row.and_then(column.value)
                })
                .collect();
            if values.iter().any(Option::is_some) {
                let cells: Vec<String> = values.into_iter().map(shown).collect();
                table.push_str(&line(&format!("    {}", column.name), &cells));
            }
        }
    }
    table
}

/// Everything that was measured anywhere, in the order of the first server that has it.
fn measurements(servers: &[Server]) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    for row in servers.iter().flat_map(|server| &server.rows) {
        if !found.contains(&(row.what.as_str(), row.number)) {
            found.push((row.what.as_str(), row.number));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Server, least, table};
    use crate::report::Row;

    #[test]
    fn what_a_server_was_not_asked_for_is_a_dash() {
        let row = |what, milliseconds| Row::new(what, 10).cpu(milliseconds).time(Duration::from_secs(1));
        let servers = [
            Server { name: "ours".to_owned(), rows: vec![row("new account", 200.0), row("login", 2.5)] },
            Server { name: "theirs".to_owned(), rows: vec![row("login", 180.0)] },
        ];
        let table = table(&servers);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        let expected = [
            "ours theirs",
            "new account: 10",
            "per second 10.00 -",
            "CPU ms each 20.00 -",
            "login: 10",
            "per second 10.00 10.00",
            "CPU ms each 0.25 18.00",
        ];
        assert_eq!(lines, expected.map(|line| line.split_whitespace().collect::<Vec<_>>()));
    }
    #[test]
    fn of_several_runs_the_one_that_cost_least_counts() {
        let run = |name: &str, milliseconds| {
            let row = Row::new("login", 10).cpu(milliseconds);
            Server { name: name.to_owned(), rows: vec![row] }
        };
        let servers =
            least(vec![run("ours", 30.0), run("theirs", 50.0), run("ours", 20.0), run("ours", 40.0)]);
        let each: Vec<_> = servers
            .iter()
            .map(|server| (server.name.as_str(), server.rows[0].cpu_milliseconds_each))
            .collect();
        assert_eq!(each, [("ours", Some(2.0)), ("theirs", Some(5.0))]);
    }
}
