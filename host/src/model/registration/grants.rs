//! What manifests grant plugins.

use std::collections::BTreeMap;

use super::Manifest;
use super::merge::subject;
use crate::model::capability::{Asks, Grants, capabilities};
use crate::model::definition::nearest;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::Declaration;

/// What each plugin is granted: by `given`, by the names of plugins, and then by manifests in their order. A later one
/// says anew what it has of a kind, and leaves the other kinds.
///
/// Fails with [`ErrorKind::InvalidRegistration`] if something is granted to a plugin that there is not, or that does not
/// ask for it; the error lists what it asks for.
pub fn granted(
    plugins: &[(&str, &Declaration)],
    given: &[(String, Grants)],
    manifests: &[Manifest],
) -> Result<BTreeMap<String, Grants>> {
    let names: Vec<&str> = plugins.iter().map(|(name, _)| *name).collect();
    let mut all: BTreeMap<String, Grants> = BTreeMap::new();
    let mut add = |plugin: &str, grants: &Grants| -> Result<(), String> {
        let Some((_, declaration)) = plugins.iter().find(|(name, _)| *name == plugin) else {
            return Err(format!("`{plugin}`, which is not loaded{}", nearest(plugin, names.iter().copied())));
        };
        if let Some(excess) = excess(plugin, declaration, grants) {
            return Err(excess);
        }
        let place = all.entry(plugin.to_owned()).or_default();
        *place = std::mem::take(place).then(grants.clone());
        Ok(())
    };
    for (plugin, grants) in given {
        add(plugin, grants).map_err(|problem| {
            Error::new(ErrorKind::InvalidRegistration, format!("`HostBuilder::grant` grants {problem}"))
        })?;
    }
    for manifest in manifests {
        let Some(grants) = &manifest.grants else { continue };
        let plugin = subject(manifest, &names)?;
        add(plugin, grants).map_err(|problem| manifest.refused(grants.line, &format!("grants {problem}")))?;
    }
    Ok(all)
}

/// What of these grants a plugin does not ask for, as the end of a sentence that begins with who grants it.
pub(crate) fn excess(plugin: &str, declaration: &Declaration, grants: &Grants) -> Option<String> {
    let excess = grants.excess(&declaration.asks)?;
    Some(format!("`{plugin}` {excess}, which it does not ask for; {}", asked(&declaration.asks)))
}

/// What a plugin asks for, in words.
fn asked(asks: &Asks) -> String {
    let all: Vec<String> = capabilities(asks, &Grants::new()).iter().map(ToString::to_string).collect();
    if all.is_empty() { "it asks for nothing".into() } else { format!("it asks for {}", all.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants_of(texts: &[&str]) -> Result<Grants> {
        let asks = r#"{"http":[{"methods":["GET"],"origin":"https://api.example.com"}],"secrets":["key"],"random":true}"#;
        let declaration = Declaration { asks: serde_json::from_str(asks).unwrap(), ..Declaration::default() };
        let manifests: Vec<Manifest> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| Manifest::parse(format!("{index}.toml"), text).unwrap())
            .collect();
        let plugins = [("guard", &declaration), ("other", &Declaration::default())];
        Ok(granted(&plugins, &[], &manifests)?.remove("guard").unwrap_or_default())
    }

    #[test]
    fn a_later_manifest_says_a_kind_anew_and_leaves_the_others() {
        let first = "plugin = 'guard'\n[grants]\nrandom = true\n[grants.secrets]\nkey = { file = '/k' }";
        let second = "plugin = 'guard'\n[grants]\nsecrets = { key = { environment = 'KEY' } }";
        let grants = grants_of(&[first, second]).unwrap();
        let shown: Vec<String> =
            capabilities(&Asks { secrets: vec!["key".into()], random: true, ..Asks::default() }, &grants)
                .iter()
                .map(|one| format!("{one} {:?}", one.granted))
                .collect();
        assert_eq!(shown, ["the secret key Some(\"key\")", "random numbers Some(\"yes\")"]);
        assert!(format!("{grants:?}").contains("KEY"), "the place of a secret is none");
        let none = "plugin = 'guard'\n[grants]\nrandom = false";
        assert_eq!(grants_of(&[first, none]).unwrap().random, Some(false));
    }

    #[test]
    fn what_nobody_asked_for_is_refused_with_what_is_asked() {
        let check = |text: &str, expected: &str| {
            assert_eq!(grants_of(&[text]).unwrap_err().message(), expected);
        };
        check(
            "plugin = 'guard'\n\n[grants]\nclocks = true",
            "0.toml:3: the manifest grants `guard` the clocks, which it does not ask for; it asks for HTTP GET \
             https://api.example.com; the secret key; random numbers",
        );
        check(
            "plugin = 'other'\n[grants]\nrandom = true",
            "0.toml:2: the manifest grants `other` random numbers, which it does not ask for; it asks for nothing",
        );
        let beside = Manifest::parse("a.toml", "[grants]\nrandom = true").unwrap().beside("guard");
        assert!(beside.unwrap_err().message().contains("only an operator gives"), "not the author's");
    }

    #[test]
    fn what_is_no_grant_is_refused_where_it_stands() {
        for (text, expected) in [
            ("[grants]\nrandm = true", "unknown field `randm`"),
            ("[[grants.http]]\norigin = 'example.com'\nmethods = ['GET']", "it has no scheme"),
            ("[[grants.http]]\norigin = 'https://example.com'\nmethods = []", "there is no method"),
            ("[[grants.http]]\norigin = 'https://example.com'", "missing field `methods`"),
            (
                "[[grants.http]]\norigin = 'http://a.com'\nmethods = ['GET']\nauthorities = 'ca.pem'",
                "has `authorities` and no TLS",
            ),
            ("[grants.secrets]\nkey = 'hush'", "its text has no place in a manifest"),
            ("[grants.secrets]\nkey = { file = 'hush', environment = 'hush' }", "its text has no place"),
            ("[grants]\nbackground = 'soon'", "is no duration"),
        ] {
            let error = Manifest::parse("m.toml", text).unwrap_err();
            assert!(error.message.contains(expected), "{text}: {error}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }
}
