//! The only place that draws random bytes; everything below takes them as an argument.

use anyhow::anyhow;

/// Bytes nobody can guess, from the kernel.
#[expect(clippy::disallowed_methods, reason = "this is the one place where chance is drawn")]
pub fn bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the kernel gives no random bytes: {error}"))?;
    Ok(bytes)
}
