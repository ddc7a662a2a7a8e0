//! Connections over TLS: the modes of libpq, by rustls.
//!
//! Where a certificate is not to be verified, the handshake is nevertheless: the server must have the key of the certificate
//! that it shows. So the channel binding of SCRAM, of which the certificate is part, keeps its meaning.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use x509_cert::der::Decode as _;

use super::options::unusable;
use crate::model::error::Result;

/// How the driver says that a server without TLS was asked for it.
const NOT_OFFERED: &str = "server does not support TLS";

/// What connections to a server are made with.
pub(super) struct Tls {
    /// Whether TLS is used, as far as the driver has to know.
    pub(super) mode: SslMode,
    pub(super) connector: MakeRustlsConnect,
}

impl Tls {
    /// Reads `sslmode` and `sslrootcert` of an address, and the certificates that the latter names.
    ///
    /// `UnusableDatabase` if they make no sense, or there are no such certificates.
    pub(super) fn new(sslmode: Option<&str>, sslrootcert: Option<&str>) -> Result<Self> {
        // Who names a certificate wants it to count.
        let default = if sslrootcert.is_some() { "verify-full" } else { "prefer" };
        let (mode, trust) = match (sslmode.unwrap_or(default), sslrootcert) {
            ("disable", None) => (SslMode::Disable, Trust::Anything),
            ("prefer", None) => (SslMode::Prefer, Trust::Anything),
            ("require", None) => (SslMode::Require, Trust::Anything),
            // As libpq has it.
            ("require", Some(roots)) if roots != "system" => (SslMode::Require, Trust::chain(Some(roots))?),
            ("verify-ca", roots) if roots != Some("system") => (SslMode::Require, Trust::chain(roots)?),
            ("verify-full", roots) => (SslMode::Require, Trust::chain(roots)?.and_name()),
            (mode @ ("disable" | "prefer" | "require" | "verify-ca"), Some(roots)) => {
                return Err(unusable(format!(
                    "`sslrootcert={roots}` has no use with `sslmode={mode}` in the address; leave one of them out, or set \
                     `sslmode=verify-full`"
                )));
            }
            (other, _) => {
                return Err(unusable(format!(
                    "`sslmode={other}` in the address is none of `disable`, `prefer`, `require`, `verify-ca` and \
                     `verify-full`"
                )));
            }
        };
        Ok(Self { mode, connector: connector(trust)? })
    }
}

fn connector(trust: Trust) -> Result<MakeRustlsConnect> {
    let provider = ring::default_provider();
    let verifier = Verifier { trust, algorithms: provider.signature_verification_algorithms };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(format!("TLS cannot be used: {error}")).with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Which certificates of a server count.
#[derive(Debug)]
enum Trust {
    Anything,
    Chain(Box<Roots>),
    ChainAndName(Box<Roots>),
}

/// Those whose certificates count.
#[derive(Debug)]
struct Roots {
    store: RootCertStore,
    /// The same as they are, for a server that shows one of them as its own.
    certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Of the certificates in a file, or of those that the system trusts.
    fn chain(roots: Option<&str>) -> Result<Self> {
        let certificates = match roots {
            None | Some("system") => system()?,
            Some(path) => file(path)?,
        };
        let mut store = RootCertStore::empty();
        // A system has a few that nobody can read.
        store.add_parsable_certificates(certificates.iter().cloned());
        if store.is_empty() {
            let place = roots.unwrap_or("system");
            return Err(unusable(format!(
                "`sslrootcert={place}` in the address has no certificate that could be trusted; give a file with one in PEM"
            )));
        }
        Ok(Self::Chain(Box::new(Roots { store, certificates })))
    }

    fn and_name(self) -> Self {
        match self {
            Self::Chain(roots) => Self::ChainAndName(roots),
            other => other,
        }
    }
}

fn system() -> Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    match found.errors.into_iter().next() {
        Some(error) if found.certs.is_empty() => {
            let message = "the certificates that the system trusts cannot be read: install them (the package \
                           ca-certificates of many systems), or set `sslrootcert=PATH` in the address";
            Err(unusable(message.to_owned()).with_source(error))
        }
        _ => Ok(found.certs),
    }
}

fn file(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| {
        let message = format!(
            "the certificates in the file `{path}`, which `sslrootcert` in the address names, cannot be read: {error}; give \
             a file in PEM that this program may read"
        );
        unusable(message).with_source(error)
    })
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (roots, names) = match &self.trust {
            Trust::Anything => return Ok(ServerCertVerified::assertion()),
            Trust::Chain(roots) => (roots, false),
            Trust::ChainAndName(roots) => (roots, true),
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if roots.certificates.contains(end_entity) {
            // One that signed itself, as many make them, is an authority's, and those are refused as a server's.
            verify_period(end_entity, now)?;
        } else {
            let (store, algorithms) = (&roots.store, self.algorithms.all);
            verify_server_cert_signed_by_trust_anchor(&parsed, store, intermediates, now, algorithms)?;
        }
        if names {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate counts at this time.
fn verify_period(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = x509_cert::Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let (validity, now) = (parsed.tbs_certificate.validity, Duration::from_secs(now.as_secs()));
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// What to do about a connection that TLS has kept from coming about; none if it was something else.
pub(super) fn way_out(error: &tokio_postgres::Error) -> Option<&'static str> {
    let source = error.source()?;
    if source.to_string() == NOT_OFFERED {
        return Some(
            "; the server offers no TLS, so turn it on there (`ssl = on` and a certificate), or, where the network is \
             trusted, set `sslmode=prefer` in the address",
        );
    }
    let inner = source.downcast_ref::<io::Error>()?.get_ref()?;
    if inner.is::<InvalidDnsNameError>() {
        return Some("; the host in the address is no name that a certificate could have, so correct it");
    }
    Some(match inner.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "; give the host by a name that the server's certificate has, or, where the authority that made it is trusted \
             with every name, set `sslmode=verify-ca` in the address"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "; renew the server's certificate, or set this machine's clock",
        rustls::Error::InvalidCertificate(_) => {
            "; the server's certificate is not trusted, so set `sslrootcert=PATH` in the address to the certificate of the \
             authority that made it"
        }
        _ => {
            "; see that the server's TLS has a version from 1.2 on and an RSA, ECDSA or Ed25519 key that is in use today"
        }
    })
}

#[cfg(test)]
mod tests;
