//! `plugin!`

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Path, Token, Type, parenthesized};

pub(crate) struct Plugin {
    steps: Vec<Path>,
    uses: Vec<Type>,
}

impl Parse for Plugin {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut plugin = Self { steps: Vec::new(), uses: Vec::new() };
        while !input.is_empty() {
            let path: Path = input.parse()?;
            if path.is_ident("uses") && input.peek(syn::token::Paren) {
                let content;
                parenthesized!(content in input);
                plugin.uses.extend(Punctuated::<Type, Token![,]>::parse_terminated(&content)?);
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
    let (steps, uses) = (&plugin.steps, &plugin.uses);
    quote! {
        const _: () = {
            const DECLARATION: ::stagegate_sdk::Declaration = ::stagegate_sdk::Declaration::new(
                [
                    ::core::env!("CARGO_PKG_NAME"),
                    ::core::env!("CARGO_PKG_VERSION"),
                    ::core::env!("CARGO_PKG_DESCRIPTION"),
                ],
                &[#({
                    type Listed = #steps;
                    ::stagegate_sdk::__private::Entry::of::<Listed>()
                }),*],
                &[#(&<#uses as ::stagegate_sdk::Entity>::DECLARATION),*],
            );
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
