//! Every limit a client can meet, by name. Nothing here is computed.

/// The longest command of a client that has not logged in, literals included, in bytes: an `ID` may have 30 fields of
/// 30 and 1024 (RFC 2971 section 3.3), with what stands between them.
pub(crate) const COMMAND_BEFORE_LOGIN: usize = 40_960;
/// The longest command, literals included (but not the message of `APPEND`), in bytes.
pub(crate) const COMMAND: usize = 65_536;
/// Input that waits in the session before it asks the driver to stop reading, in bytes: more than any command.
pub(crate) const INPUT: usize = 98_304;
/// Output that is gathered before it is handed to the driver, in bytes.
pub(crate) const OUTPUT_CHUNK: usize = 16_384;
/// Commands in a row that make no sense before the connection is closed.
pub(crate) const BAD_COMMANDS: u32 = 20;
/// Failed logins on one connection.
pub(crate) const FAILED_LOGINS: u32 = 5;
