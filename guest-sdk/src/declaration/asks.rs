//! What a plugin asks of its host.

/// What a plugin asks of its host beyond the contract: `asks(..)` in [`plugin!`](crate::plugin!). It gets what the
/// operator of the host grants of it, and runs without the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// What it wants to call by HTTP.
    pub http: &'static [HttpRule],
    /// The names of environment variables of the host.
    pub environment: &'static [&'static str],
    /// The names of secrets.
    pub secrets: &'static [&'static str],
    /// The keys of configuration values.
    pub configuration: &'static [&'static str],
    /// Random numbers that nobody can foresee.
    pub random: bool,
    /// Clocks finer than a millisecond.
    pub clocks: bool,
    /// MiB of memory above the limit of every plugin.
    pub memory: u32,
    /// The longest time of one run of a background step, in seconds; 0 for no more than any other step.
    pub background: u64,
}

/// What a plugin wants to call by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// The methods, in capitals.
    pub methods: &'static [&'static str],
    /// Scheme, host and port, for example `https://api.example.com` or `https://*.example.com:8443`.
    pub origin: &'static str,
}

impl Asks {
    /// What a plugin asks for that says nothing.
    pub const NOTHING: Self = Self {
        http: &[],
        environment: &[],
        secrets: &[],
        configuration: &[],
        random: false,
        clocks: false,
        memory: 0,
        background: 0,
    };

    /// Whether it asks for nothing; `==` is not const here.
    pub(crate) const fn is_nothing(&self) -> bool {
        let Self { http, environment, secrets, configuration, random, clocks, memory, background } = self;
        http.is_empty()
            && environment.is_empty()
            && secrets.is_empty()
            && configuration.is_empty()
            && !*random
            && !*clocks
            && *memory == 0
            && *background == 0
    }
}

impl Default for Asks {
    fn default() -> Self {
        Self::NOTHING
    }
}
