//! The custom messages of a declaration as JSON.

use super::Writer;
use crate::declaration::{Binding, Declaration, MessageDeclaration, ParameterDeclaration, same};

impl<const N: usize> Writer<N> {
    /// Every custom message once, where it is first declared.
    pub(super) const fn messages(&mut self, declaration: &Declaration) {
        let mut written = 0;
        let mut index = 0;
        while index < declaration.count() {
            if let Some(message) = declaration.message(index)
                && !is_declared_before(declaration, index, message.name)
            {
                if written > 0 {
                    self.byte(b',');
                }
                written += 1;
                self.message(message);
            }
            index += 1;
        }
    }

    const fn message(&mut self, message: &MessageDeclaration) {
        self.raw("{\"name\":");
        self.string(message.name);
        self.raw(",\"binding\":");
        match message.binding {
            Binding::Global => self.string("global"),
            Binding::Entity(entity) => self.bound("entity", entity),
            Binding::EntityCollection(entity) => self.bound("entity-collection", entity),
        }
        self.raw(",\"steps\":");
        self.string(message.steps.name());
        self.raw(",\"parameters\":");
        self.parameters(message.parameters);
        self.raw(",\"properties\":");
        self.parameters(message.properties);
        self.raw(",\"description\":");
        self.optional(message.description);
        self.byte(b'}');
    }

    const fn bound(&mut self, to: &str, entity: &str) {
        self.byte(b'{');
        self.string(to);
        self.byte(b':');
        self.string(entity);
        self.byte(b'}');
    }

    const fn parameters(&mut self, mut parameters: &[ParameterDeclaration]) {
        self.byte(b'[');
        while let [parameter, rest @ ..] = parameters {
            self.raw("{\"name\":");
            self.string(parameter.name);
            self.raw(",\"type\":");
            self.string(parameter.parameter_type);
            if parameter.optional {
                self.raw(",\"optional\":true");
            }
            self.raw(",\"entity\":");
            self.optional(parameter.entity);
            self.byte(b'}');
            if !rest.is_empty() {
                self.byte(b',');
            }
            parameters = rest;
        }
        self.byte(b']');
    }
}

const fn is_declared_before(declaration: &Declaration, end: usize, name: &str) -> bool {
    let mut index = 0;
    while index < end {
        if let Some(message) = declaration.message(index)
            && same(message.name, name)
        {
            return true;
        }
        index += 1;
    }
    false
}
