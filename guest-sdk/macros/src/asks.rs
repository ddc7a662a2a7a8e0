//! `asks(..)` of `plugin!`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitInt, LitStr, Token, parenthesized};

const KINDS: &str = "`http(GET, \"https://api.example.com\")`, `environment(\"NAME\")`, `secrets(\"name\")`, \
                     `configuration(\"key\")`, `random`, `clocks`, `memory(64)` and `background(\"2h\")`";

#[derive(Default)]
pub(crate) struct Asks {
    http: Vec<(Vec<String>, String)>,
    environment: Vec<String>,
    secrets: Vec<String>,
    configuration: Vec<String>,
    random: bool,
    clocks: bool,
    memory: u32,
    background: u64,
}

impl Parse for Asks {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut asks = Self::default();
        while !input.is_empty() {
            let kind: Ident = input.parse()?;
            match kind.to_string().as_str() {
                "http" => asks.http.push(http(input)?),
                "environment" => asks.environment.extend(names(input)?),
                "secrets" => asks.secrets.extend(names(input)?),
                "configuration" => asks.configuration.extend(names(input)?),
                "random" => asks.random = true,
                "clocks" => asks.clocks = true,
                "memory" => {
                    let content;
                    parenthesized!(content in input);
                    asks.memory = content.parse::<LitInt>()?.base10_parse()?;
                }
                "background" => {
                    let content;
                    parenthesized!(content in input);
                    asks.background = seconds(&content.parse()?)?;
                }
                other => {
                    let problem = format!("a plugin cannot ask for `{other}`; there are {KINDS}");
                    return Err(Error::new(kind.span(), problem));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(asks)
    }
}

/// `(GET, POST, "https://api.example.com")`.
fn http(input: ParseStream<'_>) -> syn::Result<(Vec<String>, String)> {
    let content;
    parenthesized!(content in input);
    let mut methods = Vec::new();
    while content.peek(Ident::peek_any) {
        let method: Ident = content.call(Ident::parse_any)?;
        let name = method.to_string();
        if !name.bytes().all(|byte| byte.is_ascii_uppercase()) || name == "CONNECT" || name == "TRACE" {
            let problem = "write a method in capitals, and neither CONNECT nor TRACE";
            return Err(Error::new(method.span(), problem));
        }
        methods.push(name);
        content.parse::<Token![,]>()?;
    }
    let origin: LitStr = content.parse()?;
    if methods.is_empty() {
        return Err(Error::new(origin.span(), "say which methods: http(GET, \"https://api.example.com\")"));
    }
    check_origin(&origin)?;
    Ok((methods, origin.value()))
}

/// What is no origin at all; the host knows the finer points.
fn check_origin(origin: &LitStr) -> syn::Result<()> {
    let text = origin.value();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']) => Ok(()),
        _ => {
            let problem = "this is no origin: write scheme, host and, where it is not the usual one, port, as in \
                           \"https://api.example.com\" or \"https://*.example.com:8443\"";
            Err(Error::new(origin.span(), problem))
        }
    }
}

fn names(input: ParseStream<'_>) -> syn::Result<Vec<String>> {
    let content;
    parenthesized!(content in input);
    let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    Ok(names.iter().map(LitStr::value).collect())
}

/// `90s`, `30m` or `2h`.
fn seconds(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = value.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds).filter(|seconds| *seconds > 0)
    });
    read.ok_or_else(|| Error::new(text.span(), "write a number and a unit, as in \"90s\", \"30m\" or \"2h\""))
}

impl Asks {
    pub(crate) fn expand(&self) -> TokenStream {
        let Self { http, environment, secrets, configuration, random, clocks, memory, background } = self;
        let http = http.iter().map(|(methods, origin)| {
            quote!(::stagegate_sdk::HttpRule { methods: &[#(#methods),*], origin: #origin })
        });
        quote! {
            ::stagegate_sdk::Asks {
                http: &[#(#http),*],
                environment: &[#(#environment),*],
                secrets: &[#(#secrets),*],
                configuration: &[#(#configuration),*],
                random: #random,
                clocks: #clocks,
                memory: #memory,
                background: #background,
            }
        }
    }
}
