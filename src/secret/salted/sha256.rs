//! The commonest salted digest: SHA-256 of salt and secret, one after the other.

use sha2::{Digest as _, Sha256};

use super::{Digest, SaltedDigest};

/// SHA-256 (FIPS 180-4) of the salt and the secret, without anything between them.
///
/// The salt is hashed as its bytes. If the other system hashed a text, such as the hexadecimal form
/// of a random value, that text is the salt; it may have up to 36 characters, as a UUID has. For a
/// longer one implement [`SaltedDigest`], which has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SaltedSha256 {
    /// SHA-256(salt ‖ secret), with the name `sha256-prefix`.
    SaltFirst,
    /// SHA-256(secret ‖ salt), with the name `sha256-suffix`.
    SaltLast,
}

impl SaltedDigest for SaltedSha256 {
    fn name(&self) -> &str {
        match self {
            Self::SaltFirst => "sha256-prefix",
            Self::SaltLast => "sha256-suffix",
        }
    }

    fn digest(&self, salt: &[u8], secret: &[u8]) -> Digest {
        let (first, second) = match self {
            Self::SaltFirst => (salt, secret),
            Self::SaltLast => (secret, salt),
        };
        let hash = Sha256::new().chain_update(first).chain_update(second);
        Digest::from_bytes(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salt_and_secret_are_hashed_in_order() {
        // printf test-saltak_test.secret | sha256sum; printf ak_test.secrettest-salt | sha256sum
        for (order, wanted) in [
            (
                SaltedSha256::SaltFirst,
                "3cbc55e3daf8a1d701bb11de06a39c38aff52d415d02827fcd8c8d9d4da2577c",
            ),
            (
                SaltedSha256::SaltLast,
                "df358a0d82531d14469a6f3ca230e5ef1f9f9a01dbe2a4c0cf57d7ed17b1c6e6",
            ),
        ] {
            let digest = order.digest(b"test-salt", b"ak_test.secret");
            assert_eq!(digest.to_hex(), wanted, "{order:?}");
        }
    }
}
