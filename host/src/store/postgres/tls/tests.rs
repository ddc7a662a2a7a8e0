use std::fs;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// An authority and what it vouches for, from 2020 to 2030.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = is_ca;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let (params, key) =
            (params(name, IsCa::Ca(BasicConstraints::Unconstrained)), KeyPair::generate().unwrap());
        Self { certificate: params.self_signed(&key).unwrap(), issuer: Issuer::new(params, key) }
    }

    fn vouch(&self, name: &str) -> Certificate {
        params(name, IsCa::NoCa).signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap()
    }
}

/// What a verifier says in a year.
fn verify(
    trust: Trust,
    shown: &Certificate,
    name: &str,
    year: u64,
) -> Result<ServerCertVerified, rustls::Error> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600 + 86_400));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    Verifier { trust, algorithms }.verify_server_cert(shown.der(), &[], &name, &[], now)
}

fn roots(folder: &TempDir, certificates: &[&Certificate]) -> Trust {
    let path = folder.path().join("roots.pem");
    fs::write(&path, certificates.iter().map(|certificate| certificate.pem()).collect::<String>()).unwrap();
    Trust::chain(path.to_str()).unwrap()
}

#[test]
fn each_mode_asks_for_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let shown = ours.vouch("db.test");
    let trusted = || roots(&folder, &[&other.certificate, &ours.certificate]);
    let other = || roots(&folder, &[&other.certificate]);
    let said = |trust, name, year| verify(trust, &shown, name, year).map(drop);

    assert_eq!(said(Trust::Anything, "elsewhere.test", 2040), Ok(()));
    assert_eq!(said(trusted(), "elsewhere.test", 2025), Ok(()));
    assert_eq!(said(trusted().and_name(), "db.test", 2025), Ok(()));
    let named = said(trusted().and_name(), "elsewhere.test", 2025).unwrap_err();
    assert!(named.to_string().contains("not valid for name"), "{named}");
    let untrusted = Err(CertificateError::UnknownIssuer.into());
    assert_eq!(said(other(), "db.test", 2025), untrusted);
    assert_eq!(said(other().and_name(), "db.test", 2025), untrusted);
    for trust in [trusted(), trusted().and_name()] {
        let late = said(trust, "db.test", 2040).unwrap_err();
        assert!(late.to_string().contains("expired"), "{late}");
    }
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_as_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new("db.test").certificate, Authority::new("db.test").certificate);
    let said = |name, year| verify(roots(&folder, &[&own]).and_name(), &own, name, year).map(drop);
    assert_eq!(said("db.test", 2025), Ok(()));
    assert!(said("elsewhere.test", 2025).unwrap_err().to_string().contains("not valid for name"));
    assert_eq!(said("db.test", 2019), Err(CertificateError::NotValidYet.into()));
    assert_eq!(said("db.test", 2031), Err(CertificateError::Expired.into()));
    verify(roots(&folder, &[&own]), &other, "db.test", 2025).unwrap_err();
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, empty) = (folder.path().join("root.pem"), folder.path().join("empty.pem"));
    fs::write(&path, Authority::new("ours").certificate.pem()).unwrap();
    fs::write(&empty, "no certificate\n").unwrap();
    let (path, empty) = (path.to_str().unwrap(), empty.to_str().unwrap());
    let missing = folder.path().join("missing.pem");

    let mode = |sslmode, sslrootcert| Tls::new(sslmode, sslrootcert).map(|tls| tls.mode);
    assert_eq!(mode(None, None).unwrap(), SslMode::Prefer);
    assert_eq!(mode(Some("disable"), None).unwrap(), SslMode::Disable);
    for sslmode in [None, Some("require"), Some("verify-ca"), Some("verify-full")] {
        assert_eq!(mode(sslmode, Some(path)).unwrap(), SslMode::Require);
    }
    for (sslmode, sslrootcert, said) in [
        (Some("allow"), None, "`sslmode=allow` in the address is none of"),
        (Some("prefer"), Some(path), "no use with `sslmode=prefer`"),
        (Some("disable"), Some(path), "no use with `sslmode=disable`"),
        (Some("require"), Some("system"), "no use with `sslmode=require`"),
        (Some("verify-ca"), Some("system"), "no use with `sslmode=verify-ca`"),
        (None, Some(empty), "has no certificate that could be trusted"),
        (None, missing.to_str(), "cannot be read"),
    ] {
        let error = mode(sslmode, sslrootcert).unwrap_err();
        assert!(error.message().contains(said), "{error}");
    }
}
