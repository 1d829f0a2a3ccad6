//! A client of the QEMU Machine Protocol (QMP): one JSON object a line; each command has a response, and events may come
//! between the two.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Most commands are answered at once; a snapshot takes longest.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection in command mode.
#[derive(Debug)]
pub(crate) struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Reads the greeting and leaves capabilities negotiation mode.
    pub(crate) fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(RESPONSE_TIMEOUT)).map_err(broken)?;
        let writer = stream.try_clone().map_err(broken)?;
        let mut qmp = Self { reader: BufReader::new(stream), writer };
        qmp.read()?;
        qmp.execute("qmp_capabilities", &Value::Null)?;
        Ok(qmp)
    }

    /// Executes a command and gives the `return` member of its response.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let mut request = json!({ "execute": command });
        if let (Some(fields), false) = (request.as_object_mut(), arguments.is_null()) {
            fields.insert("arguments".into(), arguments.clone());
        }
        let mut line = request.to_string();
        line.push('\n');
        self.writer.write_all(line.as_bytes()).map_err(broken)?;
        loop {
            let answer = self.read()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(refusal) = answer.get("error") {
                return Err(Error::Refused { command: line.trim_end().into(), answer: refusal.to_string() });
            }
        }
    }

    /// Executes a command of the human monitor (HMP) that QMP lacks; such a command has failed if it prints anything.
    pub(crate) fn hmp(&mut self, command: &str) -> Result<()> {
        match self.hmp_output(command)?.trim() {
            "" => Ok(()),
            answer => Err(Error::Refused { command: command.into(), answer: answer.into() }),
        }
    }

    /// Executes a command of the human monitor (HMP) and gives its output.
    pub(crate) fn hmp_output(&mut self, command: &str) -> Result<String> {
        let text = self.execute("human-monitor-command", &json!({ "command-line": command }))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let length = self.reader.read_line(&mut line).map_err(broken)?;
        if length == 0 {
            return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(&line).map_err(|error| broken(error.into()))
    }
}

fn broken(source: std::io::Error) -> Error {
    Error::Port { port: "monitor", source }
}
