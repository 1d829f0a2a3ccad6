//! Passwords on disk: argon2id, costly for the thief of a card, bearable for a Raspberry Pi 3.

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use mail_types::Secret;

/// Memory of one hash in KiB: of OWASP's equal choices the one that leaves a Pi with 512 MB room for its work.
const MEMORY_KIB: u32 = 9 * 1024;
/// Passes over that memory.
const PASSES: u32 = 4;
/// One lane: two hashes at a time use two cores.
const LANES: u32 = 1;
/// Room reserved for the working memory, in KiB, of which only what a hash needs is touched. The C library gives
/// pieces above 32 MiB back to the kernel as soon as they are free, and keeps smaller ones, once for each thread.
const RESERVED_KIB: usize = 33 * 1024;
/// Bytes of the hash.
const LENGTH: usize = 32;

/// A password that cannot be hashed, or text that is no hash.
#[derive(Debug, thiserror::Error)]
#[error("hashing a password: {0}")]
pub(crate) struct HashError(argon2::password_hash::Error);

/// Hashes a new password. The result is text in PHC form and names its own parameters.
pub(crate) fn hash(password: &Secret, salt: &[u8; 16]) -> Result<Secret, HashError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, Some(LENGTH)).map_err(|error| HashError(error.into()))?;
    let salt = SaltString::encode_b64(salt).map_err(HashError)?;
    let phc_params = ParamsString::try_from(&params).map_err(HashError)?;
    let hash = compute(params, password, salt.as_salt())?;
    let algorithm = Algorithm::Argon2id.ident();
    let version = Some(Version::V0x13.into());
    let text =
        PasswordHash { algorithm, version, params: phc_params, salt: Some(salt.as_salt()), hash: Some(hash) };
    Ok(Secret::new(text.to_string()))
}

/// True if the password is the hashed one.
pub(crate) fn verify(password: &Secret, hash: &Secret) -> Result<bool, HashError> {
    let text = std::str::from_utf8(hash.expose())
        .map_err(|_| HashError(argon2::password_hash::Error::PhcStringField))?;
    let kept = PasswordHash::new(text).map_err(HashError)?;
    let params = Params::try_from(&kept).map_err(HashError)?;
    let (Some(salt), Some(expected)) = (kept.salt, kept.hash) else {
        return Err(HashError(argon2::password_hash::Error::PhcStringField));
    };
    // `Output` compares in constant time.
    Ok(compute(params, password, salt)? == expected)
}

fn compute(params: Params, password: &Secret, salt: Salt<'_>) -> Result<Output, HashError> {
    let mut buffer = [0; Salt::RECOMMENDED_LENGTH * 4];
    let salt = salt.decode_b64(&mut buffer).map_err(HashError)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; LENGTH];
    let needed = argon2.params().block_count();
    let mut memory = Vec::with_capacity(RESERVED_KIB.max(needed));
    memory.resize(needed, Block::default());
    argon2
        .hash_password_into_with_memory(password.expose(), salt, &mut hash, &mut memory)
        .map_err(|error| HashError(error.into()))?;
    Output::new(&hash).map_err(HashError)
}

#[cfg(test)]
mod tests {
    use mail_types::Secret;

    use crate::accounts::passwords::{hash, verify};

    #[test]
    fn a_hash_fits_its_password_only_and_names_its_cost() {
        let password = Secret::new("correct horse \"battery\\ staple");
        let hashed = hash(&password, &[7; 16]).unwrap();
        let text = std::str::from_utf8(hashed.expose()).unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=9216,t=4,p=1$"), "{text}");
        assert!(verify(&password, &hashed).unwrap());
        assert!(!verify(&Secret::new("wrong"), &hashed).unwrap());
        assert_ne!(hash(&password, &[8; 16]).unwrap(), hashed);
    }

    #[test]
    fn what_is_no_hash_opens_nothing() {
        for text in ["", "x", "$argon2id$v=19$m=9216,t=4,p=1$"] {
            assert!(verify(&Secret::new("x"), &Secret::new(text)).is_err(), "{text:?}");
        }
    }
}
