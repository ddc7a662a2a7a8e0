//! Who made a plugin, and which one it is: signatures, its hash, and what it says of itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minisign::KeyPair;
use stagegate::model::trace::Event;
use stagegate::store::JobSelect;
use stagegate::wasm::{
    Admitted, Engine, Package, Plugin, ProblemKind, Settings, Signature, Trust, TrustedKey,
};
use stagegate::{EntityReference, NativeStep, Request, Stage};
use stagegate_tests::{GUEST_MISBEHAVING, GUEST_TOUCH, World, engine, load, on_create, probe, text};

use super::with;

/// A copy of a component, and a key that may sign it.
struct Signed {
    _folder: tempfile::TempDir,
    path: PathBuf,
    keys: KeyPair,
}

impl Signed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("touch.wasm");
        fs::copy(GUEST_TOUCH, &path).unwrap();
        Self { _folder: folder, path, keys: KeyPair::generate_unencrypted_keypair().unwrap() }
    }

    fn sign(&self) -> String {
        let content = fs::File::open(&self.path).unwrap();
        let (public, secret) = (&self.keys.pk, &self.keys.sk);
        let signature = minisign::sign(Some(public), secret, content, Some("release 7"), None).unwrap();
        let signature = signature.into_string();
        fs::write(self.signature(), &signature).unwrap();
        signature
    }

    fn signature(&self) -> PathBuf {
        self.path.with_extension("wasm.minisig")
    }

    fn key(&self) -> TrustedKey {
        TrustedKey::parse(&self.keys.pk.to_base64()).unwrap()
    }

    async fn admit(&self, keys: &[TrustedKey], required: bool) -> Admitted {
        admit(&self.path, keys, required).await
    }
}

async fn admit(path: &Path, keys: &[TrustedKey], required: bool) -> Admitted {
    engine_with(keys, required).unwrap().admit(path).await.unwrap()
}

fn engine_with(keys: &[TrustedKey], required: bool) -> stagegate::Result<Engine> {
    let mut settings = Settings::default();
    settings.concurrency = 1;
    settings.cache.clone_from(&engine().settings().cache);
    let mut trust = Trust::default();
    trust.keys = keys.to_vec();
    trust.require_signatures = required;
    settings.trust = trust;
    Engine::new(settings)
}

#[tokio::test]
async fn a_plugin_that_a_trusted_key_has_signed_is_loaded() {
    let signed = Signed::new();
    signed.sign();
    let admitted = signed.admit(&[signed.key()], true).await;
    let Signature::Valid { key, trusted_comment } = &admitted.admission.signature else {
        panic!("{:?}", admitted.admission.signature)
    };
    assert_eq!((key.as_str(), trusted_comment.as_str()), (signed.key().id(), "release 7"));
    assert_eq!(key.len(), 16);
    assert!(admitted.plugin.is_ok());
    // The file that minisign writes is a key too.
    let file = signed.keys.pk.to_box().unwrap().into_string();
    assert_eq!(TrustedKey::parse(&file).unwrap().id(), signed.key().id());
}

#[tokio::test]
async fn what_is_unsigned_or_signed_by_another_is_refused_only_where_signatures_are_required() {
    let signed = Signed::new();
    let refusal = |admitted: Admitted| admitted.plugin.err().map(|error| error.message().to_owned());
    assert_eq!(refusal(signed.admit(&[signed.key()], false).await), None);
    let said = refusal(signed.admit(&[signed.key()], true).await).unwrap();
    let expected = format!(
        "is not signed: there is no `touch.wasm.minisig` beside it; have it signed by the key {}",
        signed.key().id()
    );
    assert!(said.contains(&expected), "{said}");

    signed.sign();
    let (one, other) = (Signed::new().key(), Signed::new().key());
    let admitted = signed.admit(&[one.clone(), other.clone()], false).await;
    assert_eq!(admitted.admission.signature, Signature::Untrusted { key: signed.key().id().to_owned() });
    assert_eq!(admitted.admission.problems.len(), 1, "a warning");
    assert_eq!(refusal(admitted), None);
    let said = refusal(signed.admit(&[one.clone(), other.clone()], true).await).unwrap();
    let ours = format!("is signed by the key {}, which is not trusted", signed.key().id());
    let theirs = format!("have it signed by one of the keys {}, {}", one.id(), other.id());
    assert!(said.contains(&ours) && said.contains(&theirs), "{said}");

    // Without a key that is trusted nothing is known of a signature, and nobody wanted to know.
    let admitted = signed.admit(&[], false).await;
    assert_eq!(admitted.admission.problems, []);
    assert_eq!(refusal(admitted), None);
    let said = engine_with(&[], true).err().unwrap().message().to_owned();
    assert!(said.contains("no key is trusted"), "{said}");
}

#[tokio::test]
async fn a_wrong_signature_is_refused_in_any_case() {
    let signed = Signed::new();
    let good = signed.sign();
    let says = async |signature: &str| {
        fs::write(signed.signature(), signature).unwrap();
        let admitted = signed.admit(&[signed.key()], false).await;
        assert!(matches!(admitted.admission.signature, Signature::Invalid { .. }), "{signature}");
        assert_eq!(admitted.admission.problems[0].kind, ProblemKind::Signature);
        assert_eq!(admitted.admission.compilation, None, "it is not even compiled");
        admitted.plugin.err().unwrap().message().to_owned()
    };
    let said = says(&good.replace("release 7", "release 8")).await;
    assert!(said.contains("has a signature that is wrong: by the key"), "{said}");
    let said = says("nothing\n").await;
    assert!(said.contains("it is no signature of minisign"), "{said}");

    fs::write(signed.signature(), &good).unwrap();
    let mut content = fs::read(&signed.path).unwrap();
    // A section that nobody reads.
    content.extend([0, 2, 1, b'x']);
    fs::write(&signed.path, content).unwrap();
    let said = says(&good).await;
    assert!(said.contains("it is not of this content"), "{said}");
}

#[test]
fn what_is_no_key_is_refused() {
    for text in ["", "hello", "untrusted comment: x\nRWQ"] {
        let said = TrustedKey::parse(text).err().unwrap().message().to_owned();
        assert!(said.contains("no public key of minisign"), "{said}");
    }
}

/// Adds a custom section at the end of a component.
fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let number = |bytes: &mut Vec<u8>, mut number: usize| {
        while number > 0x7f {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
    };
    let mut content = Vec::new();
    number(&mut content, name.len());
    content.extend(name.as_bytes());
    content.extend(data);
    component.push(0);
    number(&mut component, content.len());
    component.extend(content);
    component
}

#[tokio::test]
async fn what_a_component_says_of_itself_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("said.wasm");
    let bill = br#"{"packages":[{"name":"guard","version":"0.1.0","source":"local","root":true},
                                {"name":"serde","version":"1.0.2","source":"crates.io"}]}"#;
    let bill = miniz_oxide::deflate::compress_to_vec_zlib(bill, 6);
    let mut component = fs::read(GUEST_TOUCH).unwrap();
    for (name, data) in [
        ("version", b"1.2.3".as_slice()),
        ("licenses", b"MIT OR Apache-2.0"),
        ("description", "x".repeat(5000).as_bytes()),
        ("homepage", b"\xff\xfe"),
        (".dep-v0", &bill),
    ] {
        component = with_section(component, name, data);
    }
    fs::write(&path, &component).unwrap();
    let said = stagegate::wasm::inspect(&path).unwrap().provenance;
    assert_eq!(said.version.as_deref(), Some("1.2.3"));
    assert_eq!(said.licenses.as_deref(), Some("MIT OR Apache-2.0"));
    assert_eq!(said.description.map(|text| text.len()), Some(1000), "cut");
    assert_eq!(said.homepage, None, "no text");
    assert!(said.languages.iter().any(|tool| tool.name == "Rust"), "{:?}", said.languages);
    assert!(said.processed_by.iter().any(|tool| tool.name == "rustc"), "{:?}", said.processed_by);
    let package = |name: &str, version: &str, source: &str| Package {
        name: name.into(),
        version: version.into(),
        source: source.into(),
    };
    let packages = said.packages.unwrap();
    assert!(
        packages.into_iter().eq([package("guard", "0.1.0", "local"), package("serde", "1.0.2", "crates.io")])
    );

    // One that unpacks to more than anybody reads, and one that is none: both are left out.
    for bill in [miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; 64 << 20], 6), b"none".to_vec()] {
        fs::write(&path, with_section(fs::read(GUEST_TOUCH).unwrap(), ".dep-v0", &bill)).unwrap();
        assert_eq!(stagegate::wasm::inspect(&path).unwrap().provenance.packages, None);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_plugin_is_known_by_the_hash_that_other_tools_show() {
    let shown = Command::new("sha256sum").arg(GUEST_TOUCH).output().unwrap().stdout;
    let shown = String::from_utf8(shown).unwrap();
    let plugin = load(GUEST_TOUCH).await;
    assert_eq!(shown.split_whitespace().next(), Some(&*plugin.report().hash));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_and_jobs_say_which_version_of_the_plugin_it_was() {
    let plugin: Plugin = load(GUEST_MISBEHAVING).await;
    let hash = plugin.report().hash.clone();
    let world = World::new(|host| {
        let later = |name| on_create(name, Stage::PostOperation).asynchronous();
        let native = NativeStep::new(|_| async { Ok(()) });
        with(host, &plugin, "pass", "probe", Stage::PreOperation)
            .plugin_step(plugin.clone(), later("later"), None)
            .native_step("service", later("native"), native)
            .workers(0)
    })
    .await;
    let traced = world.host.trace(Request::create(probe("a"))).await;
    let trace = traced.trace.unwrap();
    let ran = trace.events.iter().find_map(|event| match event {
        Event::Step(run) => Some(run.plugin_hash.clone()),
        _ => None,
    });
    assert_eq!(ran, Some(Some(hash.clone())));

    let jobs = world.host.jobs(JobSelect::Newest(10)).await.unwrap();
    let of = |step: &str| jobs.iter().find(|job| job.step.step == step).unwrap().plugin_hash.clone();
    assert_eq!((of("later"), of("native")), (Some(hash.to_string()), None));
    let later = jobs.iter().find(|job| job.step.step == "later").unwrap();
    let record = world.get(&EntityReference::new("asyncoperation", later.id)).await.unwrap();
    assert_eq!(text(&record, "pluginhash"), *hash);
}
