//! The credentials in a pairing code: a fresh address and password.

use host::entropy;
use mail_types::{Address, Domain, Secret};
use relay_policy::{mint_name, mint_password};

/// The address and the password of an account that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The address, which is also the login name.
    pub(crate) address: Address,
    /// The password.
    pub(crate) password: Secret,
}

impl Credentials {
    /// New ones.
    pub(crate) fn mint(domain: &Domain) -> anyhow::Result<Self> {
        let address = Address::new(mint_name(entropy::bytes()?)?, domain.clone())?;
        Ok(Self { address, password: mint_password(entropy::bytes()?) })
    }
}
