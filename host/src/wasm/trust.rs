//! Whose plugins are loaded: signatures of minisign, checked against the operator's keys.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::PublicKey;
use serde::Serialize;

use super::admission::{Problem, ProblemKind};
use crate::model::error::{Error, ErrorKind, Result};

/// What is added to a component's name for that of its signature, as minisign does.
const SIGNATURE: &str = ".minisig";
/// Bytes of a signature at most: four lines, of which two are comments.
const SIGNATURE_BYTES_MAX: u64 = 16 << 10;

/// Whose plugins are loaded.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Trust {
    /// The keys of those who sign plugins. Without any, signatures say nothing.
    pub keys: Vec<TrustedKey>,
    /// Whether a plugin is refused that none of the keys has signed. One whose signature is of a trusted key and wrong is
    /// refused in any case.
    pub require_signatures: bool,
}

/// A public key of minisign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    id: String,
    key: PublicKey,
}

/// Whether a component is signed. A signature is in a file beside it, `guard.wasm.minisig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Signature {
    /// There is none.
    Missing,
    /// A trusted key has signed exactly these bytes.
    Valid {
        /// The key's identifier, as minisign shows it.
        key: String,
        /// What the signer says of it: signed too, and so to be believed as far as the signer.
        trusted_comment: String,
    },
    /// There is one by another key, and none to check it with.
    Untrusted {
        /// The identifier that it names.
        key: String,
    },
    /// It is none, or not of these bytes.
    Invalid {
        /// Why.
        reason: String,
    },
}

impl TrustedKey {
    /// Takes the content of a `minisign.pub`, or its second line alone.
    ///
    /// Fails with [`ErrorKind::InvalidPlugin`] if that is no key.
    pub fn parse(text: &str) -> Result<Self> {
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let key = PublicKey::from_base64(line).map_err(|error| {
            let text =
                "it is no public key of minisign; name its file, minisign.pub, or the second line of that";
            Error::new(ErrorKind::InvalidPlugin, text).with_source(error)
        })?;
        Ok(Self { id: key_id(line).unwrap_or_default(), key })
    }

    /// Its identifier, as minisign shows it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Trust {
    /// Fails if no plugin at all could be loaded.
    pub(super) fn check(&self) -> Result<()> {
        if self.require_signatures && self.keys.is_empty() {
            let text = "signatures are required, and no key is trusted that could make one; trust a key (`--trusted-key`, \
                        `Trust::keys`)";
            return Err(Error::new(ErrorKind::InvalidPlugin, text));
        }
        Ok(())
    }

    /// Checks the signature beside the file against these bytes, which were read from it.
    pub(super) fn signature(&self, path: &Path, component: &[u8]) -> Signature {
        let text = match read(&beside(path)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Signature::Missing,
            Err(error) => return Signature::Invalid { reason: format!("it cannot be read: {error}") },
        };
        let signature = match minisign_verify::Signature::decode(&text) {
            Ok(signature) => signature,
            Err(error) => {
                return Signature::Invalid { reason: format!("it is no signature of minisign: {error}") };
            }
        };
        let id = text.lines().nth(1).and_then(key_id).unwrap_or_default();
        let Some(trusted) = self.keys.iter().find(|trusted| trusted.id == id) else {
            return Signature::Untrusted { key: id };
        };
        // Old signatures are of the content itself and not of its hash; minisign has made none for years.
        match trusted.key.verify(component, &signature, false) {
            Ok(()) => Signature::Valid { key: id, trusted_comment: signature.trusted_comment().to_owned() },
            Err(error) => {
                Signature::Invalid { reason: format!("by the key {id}, it is not of this content: {error}") }
            }
        }
    }

    /// What is wrong with that. A wrong signature is worse than none: somebody changed what was signed.
    pub(super) fn problem(&self, path: &Path, signature: &Signature) -> Option<Problem> {
        let file = beside(path);
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        let keys: Vec<&str> = self.keys.iter().map(TrustedKey::id).collect();
        let keys = if keys.len() == 1 {
            format!("the key {}", keys.join(""))
        } else {
            format!("one of the keys {}", keys.join(", "))
        };
        let (message, refuses) = match signature {
            Signature::Valid { .. } => return None,
            Signature::Missing => {
                (format!("is not signed: there is no `{file}` beside it"), self.require_signatures)
            }
            Signature::Untrusted { key } => {
                (format!("is signed by the key {key}, which is not trusted"), self.require_signatures)
            }
            Signature::Invalid { reason } => (format!("has a signature that is wrong: {reason}"), true),
        };
        if self.keys.is_empty() || (!refuses && *signature == Signature::Missing) {
            return None;
        }
        let way_out = format!(
            "have it signed by {keys} (`minisign -S -m`), or trust another key (`--trusted-key`, `Settings::trust`)"
        );
        let problem = Problem::new(ProblemKind::Signature, message, way_out);
        Some(if refuses { problem } else { problem.warning() })
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE);
    name.into()
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(SIGNATURE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The identifier in a key or a signature: eight bytes after the algorithm's two, shown as a number.
fn key_id(line: &str) -> Option<String> {
    let bytes = STANDARD.decode(line.trim()).ok()?;
    let id = bytes.get(2..10)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(id)))
}
