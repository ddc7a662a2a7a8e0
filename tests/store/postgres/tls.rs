//! The store on a server that has TLS.

use std::env;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use stagegate::store::Store as _;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::{Error, ErrorKind};
use stagegate_tests::postgres::{Cluster, Options as ServerOptions, Proxy, Server, Speaker, TestDatabase};
use tempfile::TempDir;

use super::super::transactions;

const NAME: &str = "db.stagegate.test";
/// The address for [`process`].
const CHILD: &str = "STAGEGATE_CHILD_TLS";
/// What a request to cancel begins with, behind its length, where it is not encrypted.
const CANCEL: [u8; 4] = 80_877_102_u32.to_be_bytes();

/// A server with a certificate for [`NAME`], and the file of the authority that made it.
struct Encrypted {
    server: Cluster,
    database: TestDatabase,
    folder: TempDir,
}

impl Encrypted {
    fn start() -> Self {
        let authority = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("root.pem"), params.self_signed(&authority).unwrap().pem()).unwrap();
        let stranger = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("stranger.pem"), stranger.pem()).unwrap();
        let (issuer, key) = (Issuer::new(params, authority), KeyPair::generate().unwrap());
        let certificate =
            CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let options = ServerOptions::default()
            .with("ssl", "on")
            .with_file("server.crt", &certificate.pem())
            .with_file("server.key", &key.serialize_pem());
        let server = Server::start(&options);
        let database = server.database();
        Self { server, database, folder }
    }

    /// The database at that host, with parameters.
    fn url(&self, host: &str, parameters: &str) -> String {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let parameters =
            parameters.replace("ROOT", &file("root.pem")).replace("STRANGER", &file("stranger.pem"));
        let url = self.database.url().replace("127.0.0.1", host);
        format!("{url}?hostaddr=127.0.0.1&{parameters}")
    }

    fn password(&self) -> String {
        let url = self.database.url();
        url.split(['@', ':']).nth(2).unwrap().to_owned()
    }

    /// Whether all connections to the database are encrypted. There are some.
    fn is_encrypted(&self) -> bool {
        let name = self.database.name();
        self.server.execute(&format!(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{name}'"
        )) == "t"
    }
}

impl Encrypted {
    /// Waits until the server has noticed that the connections to the database are closed.
    fn wait_until_left(&self) {
        let name = self.database.name();
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
        while self.server.execute(&sql) != "0" {}
    }
}

async fn open(url: &str) -> Result<Arc<PostgresStore>, Error> {
    PostgresStore::open(Options::new(url)?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn each_mode_connects_to_whom_it_trusts() {
    let encrypted = Encrypted::start();
    for (host, parameters, is_encrypted) in [
        ("elsewhere.test", "sslmode=disable", false),
        ("elsewhere.test", "", true),
        ("elsewhere.test", "sslmode=prefer", true),
        ("elsewhere.test", "sslmode=require", true),
        ("elsewhere.test", "sslmode=require&channel_binding=require", true),
        ("elsewhere.test", "sslmode=require&sslrootcert=ROOT", true),
        ("elsewhere.test", "sslmode=verify-ca&sslrootcert=ROOT", true),
        (NAME, "sslmode=verify-full&sslrootcert=ROOT&channel_binding=require", true),
        (NAME, "sslrootcert=ROOT", true),
    ] {
        let store = open(&encrypted.url(host, parameters))
            .await
            .unwrap_or_else(|error| panic!("{parameters}: {error}"));
        assert_eq!(encrypted.is_encrypted(), is_encrypted, "{parameters}");
        store.close().await;
        drop(store);
        encrypted.wait_until_left();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn who_is_not_trusted_is_refused_at_once() {
    let encrypted = Encrypted::start();
    for (host, parameters, said) in [
        (NAME, "sslmode=require&sslrootcert=STRANGER", "set `sslrootcert=PATH`"),
        (NAME, "sslmode=verify-ca&sslrootcert=STRANGER", "set `sslrootcert=PATH`"),
        (NAME, "sslmode=verify-full&sslrootcert=STRANGER", "set `sslrootcert=PATH`"),
        // The system knows nothing of the test's authority.
        (NAME, "sslrootcert=system", "sslrootcert"),
        (
            "elsewhere.test",
            "sslmode=verify-full&sslrootcert=ROOT",
            "by a name that the server's certificate has",
        ),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=ROOT", "by a name that the server's certificate has"),
        ("no..name", "sslmode=verify-full&sslrootcert=ROOT", "no name that a certificate could have"),
    ] {
        let error = open(&encrypted.url(host, parameters)).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnusableDatabase, "{parameters}: {error}");
        assert!(error.message().contains(said), "{parameters}: {error}");
        assert!(!error.message().contains(&encrypted.password()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn a_server_without_tls_is_refused_by_who_demands_it() {
    let server = Server::start(&ServerOptions::default());
    let database = server.database();
    drop(open(&format!("{}?sslmode=prefer", database.url())).await.unwrap());
    for mode in ["require", "verify-full"] {
        let error = open(&format!("{}?sslmode={mode}", database.url())).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnusableDatabase, "{error}");
        assert!(error.message().contains("the server offers no TLS"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn a_statement_is_ended_by_an_encrypted_request() {
    let encrypted = Encrypted::start();
    let proxy = Proxy::to(&encrypted.server.address());
    let _trap = proxy.cut_at(Speaker::Client, CANCEL);
    let [server, proxied] = [encrypted.server.address(), proxy.address().to_string()]
        .map(|address| format!(":{}/", address.rsplit(':').next().unwrap()));
    let url = encrypted.url(NAME, "sslmode=verify-full&sslrootcert=ROOT").replacen(&server, &proxied, 1);
    let database = super::on(url, encrypted.database.url(), Box::new(()));
    transactions::a_deadline_interrupts_a_query(database).await;
    let log = encrypted.server.log();
    // It would say "due to statement timeout" if the request had not come through.
    assert_eq!(log.matches("canceling statement due to user request").count(), 2, "{log}");
}

/// In a process of its own, since the environment says what the system trusts.
#[test]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
fn whom_the_system_trusts_is_trusted() {
    let encrypted = Encrypted::start();
    for (parameters, root, connects) in [
        ("sslrootcert=system", "root.pem", true),
        ("sslmode=verify-full", "root.pem", true),
        ("sslmode=verify-ca", "root.pem", true),
        ("sslrootcert=system", "stranger.pem", false),
    ] {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "store::postgres::tls::process", "--ignored"])
            .env(CHILD, encrypted.url(NAME, parameters))
            .env("SSL_CERT_FILE", encrypted.folder.path().join(root))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(said.contains("running 1 test"), "{said}");
        assert_eq!(child.status.success(), connects, "{parameters}: {said}");
        assert!(connects || said.contains("set `sslrootcert=PATH`"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that another test starts"]
async fn process() {
    if let Ok(url) = env::var(CHILD) {
        open(&url).await.unwrap();
    }
}
