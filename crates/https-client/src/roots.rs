//! The root certificates that the client trusts.

use rustls::RootCertStore;
use tls::Roots;

/// The root certificates of the machine, and further ones. A machine without any is no error: only the further ones are
/// trusted then.
///
/// # Errors
///
/// As [`Roots::add_to`].
pub fn roots(further: Option<&Roots>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // Every system has some roots that rustls cannot parse; the rest is enough.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(further) = further {
        further.add_to(&mut roots)?;
    }
    Ok(roots)
}
