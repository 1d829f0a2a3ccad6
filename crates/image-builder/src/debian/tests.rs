//! Builds from a small Debian archive on disk, signed by a key of its own, that changes, lies or falls behind. Times are fixed; nothing here needs a network.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::time::{Duration, SystemTime};

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Password, SigningKey, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

pub(crate) use super::package::tests::{Fixture, deb};

use super::*;
use crate::digest::sha256_hex;

/// Sun, 22 Nov 2026 00:00:00 UTC.
pub(super) const NOW: u64 = 1_795_305_600;

pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A key like the archive's: a primary key, and a subkey that may sign.
pub(super) fn secret_key(seed: u64) -> SignedSecretKey {
    let created = Timestamp::from_secs(1_700_000_000);
    let mut subkey = SubkeyParamsBuilder::default();
    subkey.key_type(KeyType::Ed25519Legacy).can_sign(true).created_at(created);
    let mut key = SecretKeyParamsBuilder::default();
    key.key_type(KeyType::Ed25519Legacy).can_certify(true).can_sign(true).created_at(created);
    key.primary_user_id(format!("Archive key {seed}")).subkey(subkey.build().unwrap());
    key.build().unwrap().generate(ChaCha20Rng::seed_from_u64(seed)).unwrap()
}

/// A keyring with the public half of a key.
pub(super) fn keyring(key: &SignedSecretKey) -> Keyring {
    Keyring::parse(&SignedPublicKey::from(key.clone()).to_armored_string(ArmorOptions::default()).unwrap())
        .unwrap()
}

/// The parameters of a signature.
pub(super) struct Signing<'a, K> {
    pub(super) key: &'a K,
    pub(super) created: u64,
    pub(super) lifetime: u32,
}

impl<'a, K: SigningKey> Signing<'a, K> {
    pub(super) fn by(key: &'a K) -> Self {
        Self { key, created: NOW, lifetime: 0 }
    }

    pub(super) fn sign(&self, text: &str) -> String {
        let message = CleartextSignedMessage::new_many(text, |text| Ok(vec![self.signature(text)])).unwrap();
        message.to_armored_string(ArmorOptions::default()).unwrap()
    }

    pub(super) fn signature(&self, text: &str) -> Signature {
        let created = Timestamp::from_secs(self.created as u32);
        let mut config =
            SignatureConfig::v4(SignatureType::Text, self.key.algorithm(), HashAlgorithm::Sha256);
        let mut parts = vec![
            SubpacketData::SignatureCreationTime(created),
            SubpacketData::IssuerFingerprint(self.key.fingerprint()),
        ];
        if self.lifetime > 0 {
            parts
                .push(SubpacketData::SignatureExpirationTime(pgp::types::Duration::from_secs(self.lifetime)));
        }
        config.hashed_subpackets = parts.into_iter().map(|part| Subpacket::regular(part).unwrap()).collect();
        config.sign(self.key, &Password::empty(), text.as_bytes()).unwrap()
    }
}

/// Records the notes.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

impl Progress for Notes {
    fn begin(&self, _step: &str, _bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
    fn note(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }
}

/// One package on the mirror.
struct Offer {
    name: &'static str,
    version: &'static str,
    depends: &'static str,
}

const fn offer(name: &'static str, version: &'static str, depends: &'static str) -> Offer {
    Offer { name, version, depends }
}

/// The mirror, a cache and the list of wanted packages.
struct World {
    folder: tempfile::TempDir,
    key: SignedSecretKey,
    keys: Keyring,
    wanted: Wanted,
}

impl World {
    /// A mirror whose release has a tool and a kernel, with empty updates and security updates.
    fn new() -> Self {
        let (folder, key) = (tempfile::tempdir().unwrap(), secret_key(1));
        let wanted = Wanted::parse(
            "architecture = \"arm64\"\n\
             [[package]]\nname = \"tool\"\nsuite = \"trixie\"\ncomponent = \"main\"\nreason = \"r\"\n\
             [[package]]\nname = \"linux-image-arm64\"\nfollow = [\"linux-image-\", \"linux-modules-\"]\n\
             suite = \"trixie\"\ncomponent = \"main\"\nreason = \"r\"\n",
        );
        let world = Self { keys: keyring(&key), folder, key, wanted: wanted.unwrap() };
        world.publish(
            "trixie",
            "Sat, 12 Sep 2026 07:55:41 UTC",
            &[
                offer("tool", "1.0-1", ""),
                offer("linux-image-arm64", "6.12.1", "linux-image-6.12.1 (= 6.12.1)"),
                offer(
                    "linux-image-6.12.1",
                    "6.12.1",
                    "linux-modules-gone | linux-modules-6.12.1 (= 6.12.1), kmod | linux-image-none",
                ),
                offer("linux-modules-6.12.1", "6.12.1", ""),
                offer("linux-image-6.12.0", "6.12.0", ""),
                offer("unrelated", "9", ""),
            ],
        );
        world.publish("trixie-updates", "Sat, 21 Nov 2026 02:10:46 UTC", &[]);
        world.publish("trixie-security", "Sat, 21 Nov 2026 00:53:03 UTC", &[]);
        world
    }

    /// Writes packages, index and release file of a suite, and takes what it had before away.
    fn publish(&self, suite: &str, date: &str, offers: &[Offer]) {
        let root = self.root(suite);
        let pool = root.join(format!("pool/{suite}"));
        let _ = fs::remove_dir_all(&pool);
        fs::create_dir_all(&pool).unwrap();
        let mut index = String::new();
        for offer in offers {
            let content = deb(&[(&format!("usr/share/{}", offer.name), Ok(offer.version.as_bytes()))]);
            let path = format!("pool/{suite}/{}_{}_arm64.deb", offer.name, offer.version);
            fs::write(root.join(&path), &content).unwrap();
            let Offer { name, version, depends } = offer;
            let (size, hash) = (content.len(), sha256_hex(&content));
            index += &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: arm64\nDepends: {depends}\nFilename: {path}\nSize: {size}\nSHA256: {hash}\n\n"
            );
        }
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(index.as_bytes()).unwrap();
        let xz = xz.finish().unwrap();
        let folder = root.join(format!("dists/{suite}/main/binary-arm64"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("Packages.xz"), &xz).unwrap();
        let lines = format!(
            " {} {} main/binary-arm64/Packages\n {} {} main/binary-arm64/Packages.xz",
            sha256_hex(index.as_bytes()),
            index.len(),
            sha256_hex(&xz),
            xz.len()
        );
        let text = format!(
            "Origin: Debian\nCodename: {suite}\nDate: {date}\nAcquire-By-Hash: yes\nSHA256:\n{lines}\n"
        );
        let signed = Signing::by(&self.key.secret_subkeys[0].key).sign(&text);
        fs::write(root.join(format!("dists/{suite}/InRelease")), signed).unwrap();
    }

    fn root(&self, suite: &str) -> std::path::PathBuf {
        self.folder.path().join(if suite.ends_with("-security") { "security" } else { "main" })
    }

    fn mirror(&self) -> Mirror {
        let url = |suite| format!("file://{}", self.root(suite).display());
        Mirror::at(&url("trixie"), Some(&url("trixie-security"))).unwrap()
    }

    fn cache(&self) -> Cache {
        Cache::at(self.folder.path().join("cache"))
    }

    fn lock(&self, previous: Option<&Lock>) -> Result<Lock, Error> {
        let mirror = self.mirror();
        let refresh =
            Refresh { wanted: &self.wanted, keys: &self.keys, mirror: &mirror, previous, now: now() };
        refresh_lock(&refresh, &Quiet)
    }

    fn build(&self, lock: Lock, notes: &Notes) -> Result<Fetched, Error> {
        let mirror = self.mirror();
        let refresh =
            Refresh { wanted: &self.wanted, keys: &self.keys, mirror: &mirror, previous: None, now: now() };
        fetch_or_refresh(lock, &refresh, &self.cache(), notes)
    }
}

fn versions(lock: &Lock) -> Vec<(&str, &str, &str)> {
    lock.packages.iter().map(|p| (p.name.as_str(), p.version.as_str(), p.suite.as_str())).collect()
}

#[test]
fn a_lock_names_the_newest_of_what_is_wanted_and_nothing_else() {
    let world = World::new();
    let lock = world.lock(None).unwrap();
    assert_eq!(
        versions(&lock),
        [
            ("linux-image-6.12.1", "6.12.1", "trixie"),
            ("linux-modules-6.12.1", "6.12.1", "trixie"),
            ("tool", "1.0-1", "trixie"),
        ]
    );
    assert_eq!(
        lock.releases.len(),
        1,
        "suites that gave nothing are not named, or the lock would change every day"
    );
    assert_eq!(lock.source_date_epoch, 1_789_199_741);
    assert_eq!(lock, world.lock(Some(&lock)).unwrap());

    world.publish(
        "trixie-security",
        "Sat, 21 Nov 2026 00:53:03 UTC",
        &[
            offer("linux-image-arm64", "6.12.2", "linux-image-6.12.2 (= 6.12.2)"),
            offer("linux-image-6.12.2", "6.12.2", ""),
            offer("tool", "1.0-1~older", ""),
        ],
    );
    let newer = world.lock(Some(&lock)).unwrap();
    assert_eq!(
        versions(&newer),
        [("linux-image-6.12.2", "6.12.2", "trixie-security"), ("tool", "1.0-1", "trixie")]
    );
    assert_eq!(newer.source_date_epoch, 1_795_222_383);
    assert_eq!(newer.packages[0].wanted_as, "linux-image-arm64");
    assert_eq!(newer.packages[0].archive, Archive::Security);
}

#[test]
fn packages_come_unpacked_from_the_mirror_and_then_from_the_cache() {
    let world = World::new();
    let lock = world.lock(None).unwrap();
    for round in ["mirror", "cache"] {
        let packages = fetch_all(&lock, &world.mirror(), &world.cache(), &Quiet).unwrap();
        assert_eq!(packages.one("tool").unwrap().read("usr/share/tool").unwrap(), b"1.0-1", "{round}");
        let kernel: Vec<_> =
            packages.all("linux-image-arm64").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(kernel, ["linux-image-6.12.1 6.12.1", "linux-modules-6.12.1 6.12.1"]);
        assert!(matches!(packages.one("unrelated"), Err(Error::NotLocked { .. })));
        fs::remove_dir_all(world.folder.path().join("main/pool")).unwrap_or_default();
    }
}

#[test]
fn a_build_goes_on_when_the_mirror_has_dropped_a_locked_version_and_says_so() {
    let world = World::new();
    let lock = world.lock(None).unwrap();
    world.publish(
        "trixie",
        "Sat, 14 Nov 2026 07:00:00 UTC",
        &[
            offer("tool", "1.0-2", ""),
            offer("linux-image-arm64", "6.12.2", "linux-image-6.12.2"),
            offer("linux-image-6.12.2", "6.12.2", ""),
        ],
    );
    let error = fetch_all(&lock, &world.mirror(), &world.cache(), &Quiet).unwrap_err();
    assert!(matches!(&error, Error::Dropped { package, .. } if package == "linux-image-6.12.1"), "{error}");

    let notes = Notes::default();
    let fetched = world.build(lock.clone(), &notes).unwrap();
    assert_eq!(fetched.origin, LockOrigin::Refreshed);
    assert_eq!(
        versions(&fetched.lock),
        [("linux-image-6.12.2", "6.12.2", "trixie"), ("tool", "1.0-2", "trixie")]
    );
    assert!(notes.0.borrow()[0].contains("scripts/image --refresh-lock"), "{:?}", notes.0);

    let notes = Notes::default();
    assert_eq!(world.build(fetched.lock, &notes).unwrap().origin, LockOrigin::Given);
    assert!(notes.0.borrow().is_empty());
    // A mirror that has dropped it and cannot prove what is new is no help.
    let release = world.folder.path().join("main/dists/trixie/InRelease");
    fs::write(&release, fs::read_to_string(&release).unwrap().replace("Origin: Debian", "Origin: Debiam"))
        .unwrap();
    assert!(matches!(world.build(lock, &Notes::default()), Err(Error::Untrusted { .. })));
}

#[test]
fn a_lying_mirror_is_refused() {
    let world = World::new();
    let root = world.folder.path().join("main/dists/trixie");
    let (release, index) = (root.join("InRelease"), root.join("main/binary-arm64/Packages.xz"));
    let (good_release, good_index) = (fs::read(&release).unwrap(), fs::read(&index).unwrap());

    let mut other = good_index.clone();
    other[20] ^= 1;
    fs::write(&index, &other).unwrap();
    assert!(matches!(world.lock(None), Err(Error::Hash { .. })));
    fs::write(&index, &good_index[..good_index.len() - 1]).unwrap();
    assert!(matches!(world.lock(None), Err(Error::Hash { .. })));
    fs::write(&index, [good_index.as_slice(), b"more"].concat()).unwrap();
    assert!(matches!(world.lock(None), Err(Error::TooLarge { .. })));
    fs::write(&index, &good_index).unwrap();

    // The signed file of another suite, with its own good signature.
    fs::copy(world.folder.path().join("main/dists/trixie-updates/InRelease"), &release).unwrap();
    assert!(matches!(world.lock(None), Err(Error::Outdated { .. })));
    fs::write(&release, &good_release).unwrap();
    assert!(world.lock(None).is_ok());
}

#[test]
fn an_index_is_asked_for_by_its_hash_first() {
    let world = World::new();
    let folder = world.folder.path().join("main/dists/trixie/main/binary-arm64");
    let good = fs::read(folder.join("Packages.xz")).unwrap();
    fs::create_dir_all(folder.join("by-hash/SHA256")).unwrap();
    fs::write(folder.join("by-hash/SHA256").join(sha256_hex(&good)), &good).unwrap();
    // While a mirror is being brought up to date the plain name is already the next version.
    fs::write(folder.join("Packages.xz"), b"the next version").unwrap();
    assert!(world.lock(None).is_ok());
}

#[test]
fn a_mirror_that_is_behind_is_refused() {
    let world = World::new();
    let lock = world.lock(None).unwrap();
    let kernel = [
        offer("linux-image-arm64", "6.12.1", "linux-image-6.12.1"),
        offer("linux-image-6.12.1", "6.12.1", ""),
    ];
    let with_tool = |version| {
        let [a, b] = &kernel;
        [offer("tool", version, ""), offer(a.name, a.version, a.depends), offer(b.name, b.version, b.depends)]
    };
    world.publish("trixie", "Fri, 11 Sep 2026 00:00:00 UTC", &with_tool("1.0-1"));
    let message = world.lock(Some(&lock)).unwrap_err().to_string();
    assert!(message.contains("this mirror is behind"), "{message}");
    world.publish("trixie", "Sat, 12 Sep 2026 07:55:41 UTC", &with_tool("0.9-1"));
    let message = world.lock(Some(&lock)).unwrap_err().to_string();
    assert!(message.contains("tool 0.9-1") && message.contains("1.0-1"), "{message}");
    assert!(world.lock(None).is_ok(), "without the old lock there is nothing to compare with");
}

#[test]
fn without_a_security_mirror_the_lock_is_made_and_the_person_is_told() {
    let world = World::new();
    let mirror = Mirror::at(&format!("file://{}", world.root("trixie").display()), None).unwrap();
    let refresh =
        Refresh { wanted: &world.wanted, keys: &world.keys, mirror: &mirror, previous: None, now: now() };
    let notes = Notes::default();
    let lock = refresh_lock(&refresh, &notes).unwrap();
    assert_eq!(lock.packages.len(), 3);
    let notes = notes.0.into_inner();
    assert!(matches!(notes.as_slice(), [note] if note.contains("--security-mirror URL")), "{notes:?}");

    let mut from_security = lock;
    from_security.packages[0].archive = Archive::Security;
    let error = fetch_all(&from_security, &mirror, &world.cache(), &Quiet).unwrap_err();
    assert!(matches!(error, Error::NoSecurityMirror { .. }), "{error}");
}

#[test]
fn what_no_suite_offers_is_named() {
    let world = World::new();
    world.publish("trixie", "Sat, 12 Sep 2026 07:55:41 UTC", &[offer("tool", "1", "")]);
    let message = world.lock(None).unwrap_err().to_string();
    assert!(message.contains("linux-image-arm64") && message.contains("trixie-security/main"), "{message}");
    let without_kernel = [offer("tool", "1", ""), offer("linux-image-arm64", "1", "kmod")];
    world.publish("trixie", "Sat, 12 Sep 2026 07:55:41 UTC", &without_kernel);
    let message = world.lock(None).unwrap_err().to_string();
    assert!(message.contains("linux-image-..."), "{message}");
}
