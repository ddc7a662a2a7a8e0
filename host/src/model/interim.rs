use super::*;
use crate::model::error::Result;
impl Condition {
    pub fn filter(&self, _d: &EntityDefinition) -> Result<Filter> {
        Ok(Filter::All(Vec::new()))
    }
    /// The attributes that it looks at.
    pub fn attributes(&self, names: &mut Vec<String>) {
        match self {
            Self::All { all: parts } | Self::Any { any: parts } => {
                parts.iter().for_each(|part| part.attributes(names))
            }
            Self::Test { attribute, .. } if names.contains(attribute) => {}
            Self::Test { attribute, .. } => names.push(attribute.clone()),
        }
    }
}
impl Filter {
    pub fn matches<'v>(&self, _value_of: &dyn Fn(&str) -> Option<&'v Value>) -> bool {
        true
    }
}
