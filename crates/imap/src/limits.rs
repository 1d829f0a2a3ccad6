//! Limits of a session, by name. Nothing here is computed.

/// The longest command of a client that has not logged in, literals included, in bytes: an `ID` may have 30 fields of
/// 30 and 1024 (RFC 2971 section 3.3), with what stands between them.
pub(crate) const COMMAND_BYTES_BEFORE_LOGIN: usize = 40_960;
/// The longest command, literals included (but not the message of `APPEND`), in bytes.
pub(crate) const COMMAND_BYTES: usize = 65_536;
/// Unparsed input in the session, in bytes, at which the driver must stop reading: more than any command.
pub(crate) const INPUT_BYTES: usize = 98_304;
/// Text gathered before it is handed to the driver, in bytes.
pub(crate) const OUTPUT_CHUNK_BYTES: usize = 16_384;
/// Bytes that a message of the selected mailbox takes in a session, whatever its flags are; and as much again while the list
/// is handed over.
pub const MESSAGE_BYTES: usize = 48;
/// Commands in a row completed with `BAD`, at which the session ends.
pub(crate) const BAD_COMMANDS: u32 = 20;
/// Failed logins on one connection, at which the session ends.
pub(crate) const FAILED_LOGINS: u32 = 5;
