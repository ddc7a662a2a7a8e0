//! What a component says of where it comes from: its tools, its metadata, its bill of materials. Nobody vouches for it
//! but whoever signed the file, and what cannot be read is left out.

use std::collections::BTreeSet;

use auditable_serde::VersionInfo;
use serde::Serialize;
use wasmparser::{CustomSectionReader, KnownCustom};

/// Bytes of one text that are kept: metadata is for people.
const TEXT_BYTES_MAX: usize = 1_000;
/// Tools that are kept: each module of a component may name some.
const TOOLS_MAX: usize = 100;
/// Bytes of a bill of materials, unpacked: some ten thousand packages. It is packed well, so a small section may be a
/// large one.
const BILL_BYTES_MAX: usize = 2 << 20;

/// What a component says of where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Provenance {
    /// The languages it was written in, from its `producers` sections.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub languages: BTreeSet<Tool>,
    /// The SDKs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sdks: BTreeSet<Tool>,
    /// What compiled and composed it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub processed_by: BTreeSet<Tool>,
    /// The package's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authors: Option<String>,
    /// The licences, as an SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licenses: Option<String>,
    /// Where its source is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where to read about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The revision of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The packages that it is made of, where `cargo auditable` built it; none where it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<BTreeSet<Package>>,
}

/// A tool with its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// A package of a bill of materials.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it was from: `crates.io`, `git`, `local`, `registry`, or another word.
    pub source: String,
}

impl Provenance {
    /// Takes what a custom section says; `depth` is 0 in the component itself.
    pub(super) fn read(&mut self, section: &CustomSectionReader<'_>, depth: usize) {
        if let KnownCustom::Producers(producers) = section.as_known() {
            for field in producers.into_iter().flatten() {
                let kept = match field.name {
                    "language" => &mut self.languages,
                    "sdk" => &mut self.sdks,
                    "processed-by" => &mut self.processed_by,
                    _ => continue,
                };
                for value in field.values.into_iter().flatten().take(TOOLS_MAX) {
                    if kept.len() < TOOLS_MAX {
                        kept.insert(Tool { name: cut(value.name), version: cut(value.version) });
                    }
                }
            }
            return;
        }
        if section.name() == ".dep-v0" {
            if let Some(packages) = packages(section.data()) {
                self.packages.get_or_insert_default().extend(packages);
            }
            return;
        }
        // Those that registries read, which are of the component as a whole.
        if depth > 0 {
            return;
        }
        let kept = match section.name() {
            "version" => &mut self.version,
            "description" => &mut self.description,
            "authors" => &mut self.authors,
            "licenses" => &mut self.licenses,
            "source" => &mut self.source,
            "homepage" => &mut self.homepage,
            "revision" => &mut self.revision,
            _ => return,
        };
        *kept = std::str::from_utf8(section.data()).ok().map(cut);
    }
}

/// The packages of the section that `cargo auditable` writes.
fn packages(section: &[u8]) -> Option<BTreeSet<Package>> {
    let json = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(section, BILL_BYTES_MAX).ok()?;
    let bill: VersionInfo = serde_json::from_slice(&json).ok()?;
    let package = |package: auditable_serde::Package| Package {
        name: cut(&package.name),
        version: package.version.to_string(),
        source: cut(&String::from(package.source)),
    };
    Some(bill.packages.into_iter().map(package).collect())
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned()
}
