//! The attributes of an entity, in order and by name.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::model::AttributeDefinition;

/// The attributes of an entity: a list in the order in which they were defined, in which a name is found fast. A request
/// looks every attribute of a record up by name several times.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<AttributeDefinition>", into = "Vec<AttributeDefinition>")]
pub struct AttributeList {
    list: Vec<AttributeDefinition>,
    /// The positions in the list, in the order of the names.
    by_name: Vec<usize>,
}

impl AttributeList {
    /// The attribute of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&AttributeDefinition> {
        self.position(name).and_then(|position| self.list.get(position))
    }

    /// Adds an attribute at the end.
    pub fn push(&mut self, attribute: AttributeDefinition) {
        let place = self.by_name.partition_point(|&other| self.compare(other, &attribute.name).is_le());
        self.by_name.insert(place, self.list.len());
        self.list.push(attribute);
    }

    /// Puts an attribute in the place of the one of its name, or at the end if there is none.
    pub fn put(&mut self, attribute: AttributeDefinition) {
        let position = self.position(&attribute.name);
        match position.and_then(|position| self.list.get_mut(position)) {
            Some(existing) => *existing = attribute,
            None => self.push(attribute),
        }
    }

    /// A name that several attributes have.
    pub(super) fn repeated(&self) -> Option<&str> {
        let mut names = self.by_name.iter().filter_map(|&position| self.list.get(position));
        let mut previous = names.next()?;
        names.find_map(|attribute| {
            let repeated = attribute.name == previous.name;
            previous = attribute;
            repeated.then_some(attribute.name.as_str())
        })
    }

    fn position(&self, name: &str) -> Option<usize> {
        let place = self.by_name.binary_search_by(|&other| self.compare(other, name)).ok()?;
        self.by_name.get(place).copied()
    }

    /// How the name at a position compares with `name`.
    fn compare(&self, position: usize, name: &str) -> Ordering {
        self.list.get(position).map_or(Ordering::Less, |attribute| attribute.name.as_str().cmp(name))
    }
}

impl Deref for AttributeList {
    type Target = [AttributeDefinition];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl From<Vec<AttributeDefinition>> for AttributeList {
    fn from(list: Vec<AttributeDefinition>) -> Self {
        let mut by_name: Vec<usize> = (0..list.len()).collect();
        by_name.sort_by_key(|&position| list.get(position).map(|attribute| attribute.name.as_str()));
        Self { list, by_name }
    }
}

impl From<AttributeList> for Vec<AttributeDefinition> {
    fn from(attributes: AttributeList) -> Self {
        attributes.list
    }
}

impl FromIterator<AttributeDefinition> for AttributeList {
    fn from_iter<I: IntoIterator<Item = AttributeDefinition>>(attributes: I) -> Self {
        Vec::from_iter(attributes).into()
    }
}

impl<'a> IntoIterator for &'a AttributeList {
    type Item = &'a AttributeDefinition;
    type IntoIter = std::slice::Iter<'a, AttributeDefinition>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl IntoIterator for AttributeList {
    type Item = AttributeDefinition;
    type IntoIter = std::vec::IntoIter<AttributeDefinition>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl PartialEq for AttributeList {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for AttributeList {}

impl fmt::Debug for AttributeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AttributeType;

    fn list(names: &[&str]) -> AttributeList {
        names.iter().map(|name| AttributeDefinition::new(*name, AttributeType::Integer)).collect()
    }

    #[test]
    fn names_are_found_however_the_list_was_made() {
        let names = ["m", "a", "z", "b", "aa", ""];
        let mut pushed = AttributeList::default();
        for attribute in &list(&names) {
            pushed.push(attribute.clone());
        }
        for made in [list(&names), pushed] {
            for name in names {
                assert_eq!(made.named(name).map(|attribute| attribute.name.as_str()), Some(name));
            }
            assert_eq!(made.named("c"), None);
            assert_eq!(made.iter().map(|attribute| attribute.name.as_str()).collect::<Vec<_>>(), names);
        }
        assert_eq!(AttributeList::default().named("a"), None);
    }

    #[test]
    fn put_keeps_the_place() {
        let mut made = list(&["b", "a"]);
        made.put(AttributeDefinition::new("b", AttributeType::Boolean));
        made.put(AttributeDefinition::new("0", AttributeType::Boolean));
        assert_eq!(made.iter().map(|attribute| attribute.name.as_str()).collect::<Vec<_>>(), ["b", "a", "0"]);
        assert_eq!(made.named("b").map(|b| &b.attribute_type), Some(&AttributeType::Boolean));
        assert!(made.named("0").is_some());
    }

    #[test]
    fn a_name_that_is_there_twice_is_noticed() {
        for (names, expected) in [(&["a", "b"][..], None), (&["b", "a", "b"], Some("b")), (&[], None)] {
            assert_eq!(list(names).repeated(), expected);
        }
    }
}
