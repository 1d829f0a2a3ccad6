//! The bundle of certificate roots, which Debian's package makes in its installation script.

use super::error::Error;
use super::package::Package;

/// The content of `/etc/ssl/certs/ca-certificates.crt`: every root of Mozilla's list in the package, sorted by name.
///
/// # Errors
///
/// A package without certificates in the expected directory, or with one that is not in PEM form.
pub fn ca_bundle(package: &Package) -> Result<Vec<u8>, Error> {
    let mut bundle = Vec::new();
    for path in package.list(FOLDER).into_iter().filter(|path| path.ends_with(".crt")) {
        let certificate = package.read(path)?;
        if !certificate.starts_with(b"-----BEGIN CERTIFICATE-----") {
            return Err(Error::malformed(
                package.to_string(),
                format!("{path} is not a certificate in PEM form"),
            ));
        }
        bundle.extend_from_slice(certificate);
        if !certificate.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        return Err(Error::NoSuchFile { package: package.to_string(), path: format!("{FOLDER}*.crt") });
    }
    Ok(bundle)
}

const FOLDER: &str = "usr/share/ca-certificates/mozilla/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::package::tests::deb;

    const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----";

    #[test]
    fn roots_are_sorted_and_separated() {
        let ended = [CERTIFICATE, b"\n"].concat();
        let files = [
            ("usr/share/ca-certificates/mozilla/b.crt", Ok(ended.as_slice())),
            ("usr/share/ca-certificates/mozilla/a.crt", Ok(CERTIFICATE)),
            ("usr/share/doc/ca-certificates/copyright", Ok(&b"C"[..])),
        ];
        let package = Package::unpack("ca-certificates", "1", &deb(&files)).unwrap();
        assert_eq!(ca_bundle(&package).unwrap(), [ended.as_slice(), &ended].concat());
    }

    #[test]
    fn a_package_without_roots_is_refused() {
        let package = Package::unpack("ca-certificates", "1", &deb(&[])).unwrap();
        assert!(matches!(ca_bundle(&package), Err(Error::NoSuchFile { .. })));
        let odd = deb(&[("usr/share/ca-certificates/mozilla/a.crt", Ok(b"\x30\x82"))]);
        assert!(ca_bundle(&Package::unpack("ca-certificates", "1", &odd).unwrap()).is_err());
    }
}
