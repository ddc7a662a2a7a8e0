//! `plugin!`

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Path, Token, Type, parenthesized};

use crate::asks::Asks;

pub(crate) struct Plugin {
    steps: Vec<Path>,
    uses: Vec<Type>,
    asks: Option<Asks>,
}

impl Parse for Plugin {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut plugin = Self { steps: Vec::new(), uses: Vec::new(), asks: None };
        while !input.is_empty() {
            let path: Path = input.parse()?;
            if path.is_ident("uses") && input.peek(syn::token::Paren) {
                let content;
                parenthesized!(content in input);
                plugin.uses.extend(Punctuated::<Type, Token![,]>::parse_terminated(&content)?);
            } else if path.is_ident("asks") && input.peek(syn::token::Paren) {
                let content;
                parenthesized!(content in input);
                if plugin.asks.replace(content.parse()?).is_some() {
                    return Err(Error::new(path.span(), "`asks(..)` is there twice; join them"));
                }
            } else {
                plugin.steps.push(path);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if plugin.steps.is_empty() {
            return Err(Error::new(
                input.span(),
                "list the plugin's steps: `plugin!(approve_rise, follow_up);`",
            ));
        }
        Ok(plugin)
    }
}

/// The constants are evaluated for every target, so that a native build finds the mistakes; the export and the section
/// are the component's.
pub(crate) fn expand(plugin: &Plugin) -> TokenStream {
    let steps = plugin.steps.iter().map(entry);
    let uses = plugin
        .uses
        .iter()
        .map(|used| quote_spanned!(used.span()=> <#used as ::stagegate_sdk::__private::Declares>::DECLARED));
    let asking = plugin.asks.as_ref().map(Asks::expand).map(|asks| quote!(.asking(#asks)));
    quote! {
        const _: () = {
            const DECLARATION: ::stagegate_sdk::Declaration = ::stagegate_sdk::Declaration::new(
                [
                    ::core::env!("CARGO_PKG_NAME"),
                    ::core::env!("CARGO_PKG_VERSION"),
                    ::core::env!("CARGO_PKG_DESCRIPTION"),
                ],
                &[#(#steps),*],
                &[#(#uses),*],
            )#asking;
            const LEN: ::core::primitive::usize = ::stagegate_sdk::__private::json_len(&DECLARATION);

            #[used]
            #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "stagegate:plugin"))]
            static DECLARATION_JSON: [::core::primitive::u8; LEN] =
                ::stagegate_sdk::__private::json_text::<LEN>(&DECLARATION);

            /// The component's export. In a native build nothing calls it.
            pub struct Component;

            impl ::stagegate_sdk::__private::Guest for Component {
                fn declare() -> ::stagegate_sdk::__private::DeclarationOut {
                    ::stagegate_sdk::__private::declare(&DECLARATION)
                }

                fn execute(
                    step: ::std::string::String,
                ) -> ::core::result::Result<(), ::stagegate_sdk::__private::FaultOut> {
                    ::stagegate_sdk::__private::execute(&DECLARATION, &step)
                }
            }

            #[cfg(target_arch = "wasm32")]
            ::stagegate_sdk::__private::export_plugin!(
                Component with_types_in ::stagegate_sdk::__private::bindings
            );
        };
    }
}

/// A step's entry in the list.
///
/// `#[step]` makes a type of the function's name. For a function without it, rustc would say no more than that it
/// expected a type. So the import brings in what there is of that name, and where that is no type, a type that is not
/// a step takes its place, as an import by `*` gives way to one by name. The error is then that of the trait.
fn entry(step: &Path) -> TokenStream {
    let Some(name) = step.segments.last().map(|segment| &segment.ident) else { return TokenStream::new() };
    // Without `self`, a dependency of that name would make it ambiguous.
    let own = (step.segments.len() == 1 && step.leading_colon.is_none())
        .then(|| quote_spanned!(step.span()=> self::));
    let import = quote_spanned!(step.span()=> use #own #step as Listed;);
    let of = quote_spanned!(step.span()=> ::stagegate_sdk::__private::Entry::of::<Listed>());
    quote!({
        #[allow(non_camel_case_types, dead_code, unreachable_pub, reason = "the name of a function")]
        mod plain {
            mod named {
                pub struct #name {}
            }
            pub use named::#name as Listed;
        }
        #[allow(unused_imports, reason = "for a step it is the other one that counts")]
        use plain::*;
        #[allow(unused_imports, reason = "a step's function is in it too")]
        #import
        #of
    })
}
