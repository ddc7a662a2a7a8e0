//! Unique identifiers, and references to records.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use crate::Entity;

/// A 128-bit unique identifier (a UUID).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueIdentifier(u128);

impl UniqueIdentifier {
    /// From a number, whose most significant byte is the identifier's first.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// As a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Whether all its bits are zero, as in the platform's "empty" identifier.
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }

    /// An identifier made from this one and some texts: the same each time, and another for other texts.
    ///
    /// It is the hash FNV-1a of the texts, with this identifier in place of the offset. Its operations keep the lowest
    /// bit in which two identifiers differ, and the six bits that mark a UUID are alike in all of one version. So two
    /// jobs never come to the same identifier by the same texts.
    pub(crate) fn derive(self, texts: &[&str]) -> Self {
        const PRIME: u128 = (1 << 88) + 0x13b;
        const MARKED: u128 = 0xf000_c000_0000_0000_0000;
        const MARK: u128 = 0x8000_8000_0000_0000_0000;
        // A byte that no text has ends each of them.
        let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
        let hash = bytes.fold(self.0, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
        Self(hash & !MARKED | MARK)
    }
}

/// `01234567-89ab-cdef-0123-456789abcdef`
impl fmt::Display for UniqueIdentifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, bits: u32| (self.0 >> shift) & ((1 << bits) - 1);
        write!(
            out,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 32),
            part(80, 16),
            part(64, 16),
            part(48, 16),
            part(0, 48)
        )
    }
}

impl fmt::Debug for UniqueIdentifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl ParseError {
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is not {}", self.text, self.expected)
    }
}

impl std::error::Error for ParseError {}

/// Reads 32 hexadecimal digits, in groups of 8-4-4-4-12 or in one, in upper or lower case.
impl FromStr for UniqueIdentifier {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || ParseError::new(text, "a unique identifier like 01234567-89ab-cdef-0123-456789abcdef");
        let groups: Vec<&str> = text.split('-').collect();
        if !matches!(groups.iter().map(|group| group.len()).collect::<Vec<_>>()[..], [32] | [8, 4, 4, 4, 12])
        {
            return Err(wrong());
        }
        let digits = groups.concat();
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(&digits, 16).map(Self).map_err(|_| wrong())
    }
}

/// Points to one record of any entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityReference {
    /// The logical name of the record's entity.
    pub entity: String,
    /// The record's identifier.
    pub id: UniqueIdentifier,
}

impl EntityReference {
    /// A reference to the record `id` of `entity`.
    pub fn new(entity: impl Into<String>, id: impl Into<UniqueIdentifier>) -> Self {
        Self { entity: entity.into(), id: id.into() }
    }

    /// As a typed reference; none if it points to another entity.
    pub fn to<E: Entity>(&self) -> Option<Ref<E>> {
        (self.entity == E::LOGICAL_NAME).then(|| Ref::new(self.id))
    }
}

/// `account(01234567-89ab-cdef-0123-456789abcdef)`
impl fmt::Display for EntityReference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}({})", self.entity, self.id)
    }
}

/// Points to one record of the entity that `E` describes.
pub struct Ref<E> {
    id: UniqueIdentifier,
    entity: PhantomData<fn() -> E>,
}

impl<E> Ref<E> {
    /// A reference to the record `id`. Whether there is one shows when it is read.
    pub const fn new(id: UniqueIdentifier) -> Self {
        Self { id, entity: PhantomData }
    }

    /// The record's identifier.
    pub const fn id(self) -> UniqueIdentifier {
        self.id
    }
}

impl<E: Entity> Ref<E> {
    /// The same record through another struct for the same entity, with other columns. Two structs for different
    /// entities do not compile.
    pub const fn cast<F: Entity>(self) -> Ref<F> {
        const {
            assert!(
                crate::declaration::same(E::LOGICAL_NAME, F::LOGICAL_NAME),
                "Ref::cast: the two structs are for different entities"
            );
        }
        Ref::new(self.id)
    }
}

impl<E> Clone for Ref<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Ref<E> {}

impl<E> PartialEq for Ref<E> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<E> Eq for Ref<E> {}

impl<E: Entity> fmt::Debug for Ref<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// `account(01234567-89ab-cdef-0123-456789abcdef)`
impl<E: Entity> fmt::Display for Ref<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}({})", E::LOGICAL_NAME, self.id)
    }
}

impl<E> From<UniqueIdentifier> for Ref<E> {
    fn from(id: UniqueIdentifier) -> Self {
        Self::new(id)
    }
}

impl<E> From<Ref<E>> for UniqueIdentifier {
    fn from(reference: Ref<E>) -> Self {
        reference.id
    }
}

impl From<EntityReference> for UniqueIdentifier {
    fn from(reference: EntityReference) -> Self {
        reference.id
    }
}

impl<E: Entity> From<Ref<E>> for EntityReference {
    fn from(reference: Ref<E>) -> Self {
        Self::new(E::LOGICAL_NAME, reference.id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn derived_identifiers_are_told_apart_by_job_entity_and_key() {
        let first: UniqueIdentifier = "0198c0de-0000-7000-8000-000000000000".parse().unwrap();
        let jobs = (0..60).map(|bit| UniqueIdentifier(first.0 ^ 1 << bit)).chain([first]);
        let mut seen = BTreeSet::new();
        for job in jobs {
            for key in 0..200 {
                assert!(seen.insert(job.derive(&["task", &key.to_string()])), "{job} {key}");
            }
            // The same letters, cut in another place.
            assert!(
                seen.insert(job.derive(&["tas", "k1"])) && seen.insert(job.derive(&["", "task1"])),
                "{job}"
            );
        }
        assert_eq!(first.derive(&["task", "1"]), first.derive(&["task", "1"]));
    }
}
