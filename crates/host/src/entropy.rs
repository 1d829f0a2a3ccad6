//! The kernel's random number generator.

use anyhow::anyhow;

/// Random bytes that are fit for keys (`getrandom(2)`; it blocks until the kernel's generator is seeded).
///
/// # Errors
///
/// When the kernel has no such call, or forbids it.
#[expect(clippy::disallowed_methods, reason = "this is the one place where chance is drawn")]
pub fn bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the kernel gives no random bytes: {error}"))?;
    Ok(bytes)
}
