//! The host's side of the interface `capabilities`.

use super::bindings::stagegate::plugin::capabilities;
use super::interfaces::Answer;
use crate::model::error::Result;
use crate::wasm::granted::Granted;
use crate::wasm::run::State;

impl capabilities::Host for State {
    fn environment(&mut self, name: String) -> Answer<Option<String>> {
        self.granted(|granted| granted.environment(&name))
    }

    fn secret(&mut self, name: String) -> Answer<String> {
        self.granted(|granted| granted.secret(&name))
    }

    fn configuration(&mut self, key: String) -> Answer<String> {
        self.granted(|granted| granted.configuration(&key))
    }
}

impl State {
    fn granted<T>(&mut self, look: impl FnOnce(&Granted) -> Result<T>) -> Answer<T> {
        // Not even to declare: what is declared must not depend on a secret.
        self.active()?;
        let found = look(&self.granted);
        Ok(found.map_err(|error| self.refuse(error)))
    }
}
