//! What an operator grants the plugin: environment variables, secrets, configuration values.

use std::str::FromStr;

// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::{Fault, Result};

/// What the operator of the host grants: [`Context::capabilities`](crate::Context::capabilities).
///
/// A plugin asks for it in [`plugin!`](crate::plugin!); what is not granted answers a fault with the code
/// [`CAPABILITY_DENIED`](crate::code::CAPABILITY_DENIED), which names the grant.
///
/// ```
/// use stagegate_sdk::prelude::*;
/// use stagegate_sdk::testing::Fake;
///
/// #[step(PreOperation, entity = "account")]
/// fn sign(ctx: &mut Create<Record>) -> Result {
///     let granted = ctx.capabilities();
///     let key = granted.secret("signing_key")?;
///     let rounds: u32 = granted.configuration_as("rounds")?;
///     ctx.target.set("name", format!("{} bytes, {rounds} rounds", key.len()));
///     Ok(())
/// }
///
/// plugin!(sign, asks(secrets("signing_key"), configuration("rounds")));
///
/// # fn main() {
/// let account = || Record::new("account");
/// let fake = Fake::new().with_secret("signing_key", "abc").with_configuration_value("rounds", "8");
/// let target = fake.run_create::<sign>(account()).unwrap();
/// assert_eq!(target.value::<String>("name").unwrap(), "3 bytes, 8 rounds");
///
/// let fault = Fake::new().run_create::<sign>(account()).err().unwrap();
/// assert_eq!(fault.code(), code::CAPABILITY_DENIED);
/// # }
/// ```
#[derive(Clone)]
pub struct Capabilities {
    services: Handle,
}

impl Capabilities {
    pub(crate) fn new(services: Handle) -> Self {
        Self { services }
    }

    /// An environment variable of the host, as it was when the host started; none if it is not set there.
    ///
    /// # Errors
    /// If it is not granted.
    pub fn environment(&self, name: &str) -> Result<Option<String>> {
        self.services.environment(name)
    }

    /// A secret. Keep it out of faults and traces.
    ///
    /// # Errors
    /// If it is not granted.
    pub fn secret(&self, name: &str) -> Result<String> {
        self.services.secret(name)
    }

    /// A value that the operator configured.
    ///
    /// # Errors
    /// If it is not granted.
    pub fn configuration(&self, key: &str) -> Result<String> {
        self.services.configuration_value(key)
    }

    /// A value that the operator configured, as a number, a flag or whatever else is read from text.
    ///
    /// # Errors
    /// If it is not granted, or is no such value; then the fault names the key and the text.
    pub fn configuration_as<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.configuration(key)?;
        text.parse().map_err(|_| {
            let wanted = std::any::type_name::<T>();
            Fault::defect(format!(
                "The configuration value `{key}` is {text:?}, which is no {wanted}: correct it in the operator's manifest."
            ))
        })
    }
}
