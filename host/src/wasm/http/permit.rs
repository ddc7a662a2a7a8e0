//! What may be called.

use std::sync::Arc;

use rustls::ClientConfig;

use super::call::Way;
use super::resolve::{Resolve, SystemResolver};
use crate::model::capability::HttpRule;
use crate::wasm::granted::Granted;

/// One place that a plugin may call.
pub(crate) struct Permit {
    pub(crate) rule: HttpRule,
    /// Whether at addresses that are not public.
    pub(crate) private: bool,
    /// For `https`.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// All places that a plugin may call.
pub(crate) struct Calls {
    permits: Vec<Permit>,
    pub(super) resolver: Arc<dyn Resolve>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { permits: Vec::new(), resolver: Arc::new(SystemResolver) }
    }
}

impl Calls {
    pub(crate) fn new(mut permits: Vec<Permit>, resolver: Arc<dyn Resolve>) -> Self {
        // What is granted of one host counts before what is granted of many.
        permits.sort_by_key(|permit| permit.rule.origin.is_suffix());
        Self { permits, resolver }
    }

    /// The first one for that call.
    pub(super) fn permit(&self, way: &Way, method: &str) -> Option<&Permit> {
        self.permits.iter().find(|permit| is_for(&permit.rule, way, method))
    }
}

fn is_for(rule: &HttpRule, way: &Way, method: &str) -> bool {
    rule.methods.iter().any(|granted| granted == method)
        && rule.origin.matches(way.scheme, &way.host, way.port)
}

/// Why a call is refused for which there is no permit, and the way out.
pub(super) fn lacking(granted: &Granted, way: &Way, method: &str) -> String {
    let plugin = &granted.plugin;
    let way_out = if granted.asks.http.iter().any(|asked| is_for(asked, way, method)) {
        format!(
            "it asks for it, so its operator can grant it in a manifest: `[[grants.http]]` with `origin = \"{way}\"` and \
             `methods = [\"{method}\"]`"
        )
    } else {
        format!(
            "it does not ask for it either: add `http({method}, \"{way}\")` to `asks(..)` of the plugin, and have the \
             operator grant it"
        )
    };
    format!("the plugin `{plugin}` is not granted the call `{method} {way}`; {way_out}")
}
