//! Signatures: whose plugins the program loads, and how it says which it does not.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use minisign::KeyPair;
use stagegate::cli::Exit;
use stagegate_tests::GUEST_TOUCH;

use super::program::{Program, Ran};

/// A copy of a plugin in the program's folder, and a key that may sign it.
struct Signed {
    program: Program,
    plugin: PathBuf,
    keys: KeyPair,
}

impl Signed {
    fn new() -> Self {
        let program = Program::new();
        let plugin = program.file("touch.wasm", fs::read(GUEST_TOUCH).unwrap());
        Self { program, plugin, keys: KeyPair::generate_unencrypted_keypair().unwrap() }
    }

    /// Signs the plugin as it is now.
    fn sign(&self) {
        let content = fs::File::open(&self.plugin).unwrap();
        let (public, secret) = (&self.keys.pk, &self.keys.sk);
        let signature = minisign::sign(Some(public), secret, content, Some("release 7"), None).unwrap();
        self.program.file("touch.wasm.minisig", signature.into_string());
    }

    fn key(&self) -> String {
        self.keys.pk.to_base64()
    }

    /// The identifier of the key, as minisign shows it.
    fn id(&self) -> String {
        let file = self.keys.pk.to_box().unwrap().into_string();
        file.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned()
    }

    fn run(&self, more: &[&str]) -> Ran {
        let args = [OsStr::new("--plugin"), self.plugin.as_os_str()];
        self.program.run(args.into_iter().chain(more.iter().map(OsStr::new)))
    }

    fn inspect(&self, more: &[&str]) -> Ran {
        let args = [OsStr::new("inspect"), self.plugin.as_os_str()];
        self.program.run(args.into_iter().chain(more.iter().map(OsStr::new)))
    }
}

#[test]
fn a_plugin_that_a_trusted_key_has_signed_runs() {
    let signed = Signed::new();
    signed.sign();
    let file = signed.program.file("minisign.pub", signed.keys.pk.to_box().unwrap().into_string());
    let other = Signed::new().key();
    for keys in [vec![signed.key()], vec![file.display().to_string()], vec![other, signed.key()]] {
        let mut args = vec!["--require-signatures"];
        args.extend(keys.iter().flat_map(|key| ["--trusted-key", key.as_str()]));
        let ran = signed.run(&args);
        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        assert!(!ran.errors.contains("warning"), "{}", ran.errors);
    }
}

#[test]
fn one_that_nobody_has_signed_runs_unless_signatures_are_required() {
    let unsigned = Signed::new();
    let key = unsigned.key();
    let ran = unsigned.run(&["--trusted-key", &key]);
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    assert!(!ran.errors.contains("warning"), "{}", ran.errors);
    let expected = format!("have it signed by the key {} (`minisign -S -m`)", unsigned.id());
    for command in [Signed::run, Signed::inspect] {
        let ran = command(&unsigned, &["--trusted-key", &key, "--require-signatures"]);
        assert_eq!(ran.exit, Exit::Unusable, "{ran:?}");
        // `inspect` wraps its lines.
        let said = format!("{}{}", ran.errors, ran.output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("is not signed: there is no `touch.wasm.minisig` beside it"), "{said}");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn one_that_somebody_else_has_signed_is_warned_of_or_refused() {
    let signed = Signed::new();
    signed.sign();
    let theirs = format!("touch.wasm is signed by the key {}, which is not trusted; have it", signed.id());
    let other = Signed::new().key();
    let ran = signed.run(&["--trusted-key", &other]);
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    let warning = ran.errors.lines().find(|line| line.starts_with("warning: ")).unwrap();
    assert!(warning.contains(&theirs), "{warning}");
    signed.run(&["--trusted-key", &other, "--require-signatures"]).unusable(&["error: ", &theirs]);
    let shown = signed.inspect(&["--trusted-key", &other]);
    assert_eq!(shown.exit, Exit::Done, "{shown:?}");
    let line = format!("signature   by the key {}, which is not trusted, so nothing is known", signed.id());
    assert!(shown.output.contains(&line), "{}", shown.output);
    assert!(shown.output.contains("1. (a warning) it is signed by the key"), "{}", shown.output);
}

#[test]
fn one_that_was_changed_after_it_was_signed_is_refused_by_every_command() {
    let signed = Signed::new();
    signed.sign();
    let mut content = fs::read(&signed.plugin).unwrap();
    // A section that nobody reads.
    content.extend([0, 2, 1, b'x']);
    fs::write(&signed.plugin, content).unwrap();
    let (key, id) = (signed.key(), signed.id());
    let expected = format!("has a signature that is wrong: by the key {id}, it is not of this content");
    let database = signed.program.path("data.db").display().to_string();
    let plugin = signed.plugin.display().to_string();
    let scenario =
        format!(r#"{{"given": {{"plugins": [{{"path": {plugin:?}}}]}}, "cases": [{{"name": "x"}}]}}"#);
    let scenario = signed.program.file("x.scenario.json", scenario).display().to_string();
    signed.program.run(["test", &scenario, "--trusted-key", &key]).unusable(&[&expected]);
    let trusted = ["--plugin", &plugin, "--trusted-key", &key];
    // Whatever loads a plugin, also one that runs none.
    for command in
        [&[][..], &["plan"], &["apply", "--database", &database], &["worker", "--database", &database]]
    {
        signed.program.run(command.iter().chain(&trusted)).unusable(&[&expected]);
    }
    let ran = signed.inspect(&["--trusted-key", &key, "--format", "json"]);
    assert_eq!(ran.exit, Exit::Unusable, "{ran:?}");
    let json: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!((&json["exit_code"], &json["signature"]["state"]), (&2.into(), &"invalid".into()));
    assert_eq!(json["problems"][0]["kind"], "signature");
    // Who trusts no key asks for no signature.
    assert_eq!(signed.run(&[]).exit, Exit::Done);
}

#[test]
fn inspect_shows_who_has_signed_a_plugin() {
    let signed = Signed::new();
    signed.sign();
    let (key, id) = (signed.key(), signed.id());
    let ran = signed.inspect(&["--trusted-key", &key]);
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    let line = format!("signature   valid, by the trusted key {id}: release 7");
    assert!(ran.output.contains(&line), "{}", ran.output);
    let ran = signed.inspect(&["--trusted-key", &key, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    let expected = serde_json::json!({ "state": "valid", "key": id, "trusted_comment": "release 7" });
    assert_eq!((&json["signature"], &json["problems"]), (&expected, &serde_json::json!([])));
}

#[test]
fn a_key_that_is_none_is_named() {
    let unsigned = Signed::new();
    let nonsense = unsigned.program.file("nonsense.pub", "no key\n").display().to_string();
    let binary = unsigned.program.file("binary.pub", [0xff, 0xfe]).display().to_string();
    let key = |name: &str, parts: &[&str]| {
        let named = format!("the trusted key `{name}` cannot be used");
        unsigned.run(&["--trusted-key", name]).unusable(&[&[named.as_str()], parts].concat());
    };
    let no_key = "no public key of minisign; name its file, minisign.pub";
    key(&nonsense, &[no_key]);
    key(&binary, &["UTF-8"]);
    // No such file, so it is taken for a key.
    key("missing.pub", &[no_key]);
    unsigned.run(&["--require-signatures"]).unusable(&["--trusted-key <KEY>"]);
}
