//! TLS of outgoing calls, by rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::model::error::{Error, ErrorKind, Result};

/// What connections are made with: the authorities of a file in PEM, or those that the system trusts. Reads files, so
/// it blocks.
///
/// Fails with [`ErrorKind::InvalidRegistration`] if there are none.
pub(crate) fn client(authorities: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let refused = |problem: String| Error::new(ErrorKind::InvalidRegistration, problem);
    let certificates = match authorities {
        Some(file) => CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| {
            let file = file.display();
            refused(format!(
                "the authorities in `{file}`, which a grant names, cannot be read: {error}; give a file in PEM that this \
                 program may read"
            ))
        })?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    // A system has a few that nobody can read.
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(refused(match authorities {
            Some(file) => format!("`{}`, which a grant names, has no certificate in PEM", file.display()),
            None => "a grant is for `https`, and this system trusts no authority: install its certificates (the package \
                     ca-certificates of many systems), or name a file with `authorities`"
                .into(),
        }));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(format!("TLS cannot be used: {error}")))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
