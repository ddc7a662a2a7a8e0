//! `#[step(..)]`

mod arguments;
mod check;
mod jobs;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ItemFn, LitStr, PathArguments, Result, ReturnType, Type,
};

pub(crate) use arguments::Arguments;
use arguments::{ChildColumns, Children, Column, Columns};
use check::check;

pub(crate) fn expand(arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    let message = message_type(function)?;
    check(arguments, message)?;

    let (name, visibility) = (&function.sig.ident, &function.vis);
    let step_name = arguments.name.clone().unwrap_or_else(|| LitStr::new(&name.to_string(), name.span()));
    let description = optional(
        arguments.description.as_ref().map(LitStr::value).or_else(|| first_paragraph(&function.attrs)),
    );
    let configuration = optional(arguments.configuration.as_ref().map(LitStr::value));
    let stage = &arguments.stage;
    let mode = Ident::new(if arguments.asynchronous { "Asynchronous" } else { "Synchronous" }, stage.span());
    let rank = arguments.rank.as_ref().map_or_else(|| quote!(1), |rank| quote!(#rank));
    let data = quote_spanned!(message.span()=> <#message as ::stagegate_sdk::Message>::Data);
    let message_name = match &arguments.message {
        Some(name) => quote!(#name),
        None => quote!(<#message as ::stagegate_sdk::Message>::NAME),
    };
    let entity = match &arguments.entity {
        Some(entity) => quote!(::core::option::Option::Some(#entity)),
        None => quote!(<#data as ::stagegate_sdk::Shape>::ENTITY),
    };
    let filter = match &arguments.changed {
        Some(columns) => names(columns, &data),
        None => quote!(&[]),
    };
    let images = [("before", "PreImage", &arguments.before), ("after", "PostImage", &arguments.after)];
    let images = images.iter().filter_map(|(alias, image_type, columns)| {
        let attributes = names(columns.as_ref()?, &data);
        let image_type = Ident::new(image_type, stage.span());
        Some(quote! {
            ::stagegate_sdk::ImageDeclaration {
                alias: #alias,
                image_type: ::stagegate_sdk::ImageType::#image_type,
                attributes: #attributes,
                relationship: ::core::option::Option::None,
            }
        })
    });
    let children = arguments.children.iter().map(children_image);
    let changed_only = arguments.changed_only.is_some();
    let jobs = &arguments.jobs;
    // What the step at MainOperation returns is the message's response.
    let run = if stage == "MainOperation" {
        // With the place of the return type, so that another one than the message's response is an error there.
        let answer = Ident::new("answer", function.sig.output.span());
        quote! {
            let #answer = #name(message)?;
            ::stagegate_sdk::Message::answer(message, #answer);
            ::core::result::Result::Ok(())
        }
    } else {
        quote!(#name(message))
    };

    Ok(quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, reason = "the function's name, as a type that names the step")]
        #visibility struct #name {}

        #[automatically_derived]
        impl ::stagegate_sdk::Step for #name {
            type Message = #message;
            const DECLARATION: ::stagegate_sdk::StepDeclaration = ::stagegate_sdk::StepDeclaration {
                name: #step_name,
                message: #message_name,
                entity: #entity,
                stage: ::stagegate_sdk::Stage::#stage,
                mode: ::stagegate_sdk::Mode::#mode,
                rank: #rank,
                filtering_attributes: #filter,
                images: &[#(#images,)* #(#children),*],
                configuration: #configuration,
                description: #description,
                changed_only: #changed_only,
                jobs: #jobs,
            };

            fn run(message: &mut Self::Message) -> ::stagegate_sdk::Result {
                #run
            }
        }
    })
}

/// The error, and the function with its type, so that the rest of the source does not fail for want of them.
pub(crate) fn with_stub(error: &Error, function: &ItemFn) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#error #[allow(dead_code, reason = "the step has an error")] #function)
}

/// The `Update<Account>` of `ctx: &mut Update<Account>`.
fn message_type(function: &ItemFn) -> Result<&Type> {
    const SHAPE: &str =
        "a step is `fn name(ctx: &mut Update<Account>) -> Result`, with Update or another message";
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        let text =
            "a step is plain blocking Rust: take `async` away; `#[step(PostOperation, async)]` queues it";
        return Err(Error::new_spanned(token, text));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(&signature.generics, "a step has no generic parameters"));
    }
    if matches!(signature.output, ReturnType::Default) {
        let text =
            format!("`{}` returns nothing: write `-> Result`, and `Ok(())` at its end", signature.ident);
        return Err(Error::new_spanned(&signature.ident, text));
    }
    let mut inputs = signature.inputs.iter();
    let (Some(FnArg::Typed(argument)), None) = (inputs.next(), inputs.next()) else {
        return Err(Error::new_spanned(&signature.ident, format!("what does it run on? {SHAPE}")));
    };
    match &*argument.ty {
        Type::Reference(reference) if reference.mutability.is_some() => Ok(&reference.elem),
        other => Err(Error::new_spanned(other, format!("the argument is a `&mut`: {SHAPE}"))),
    }
}

/// `Update` and `Account` of `sdk::Update<Account>`; empty where the type is written in another way.
fn last_segment(message: &Type) -> (String, String) {
    let Type::Path(path) = message else { return (String::new(), String::new()) };
    let Some(segment) = path.path.segments.last() else { return (String::new(), String::new()) };
    let PathArguments::AngleBracketed(generics) = &segment.arguments else {
        return (segment.ident.to_string(), String::new());
    };
    let data = generics.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(Type::Path(path)) => {
            path.path.segments.last().map(|segment| segment.ident.to_string())
        }
        _ => None,
    });
    (segment.ident.to_string(), data.unwrap_or_default())
}

/// The image of a Delete's children. Its alias is the relationship's name.
fn children_image(children: &Children) -> TokenStream {
    let relationship = &children.relationship;
    let attributes = match &children.columns {
        ChildColumns::Struct(child) => {
            quote_spanned!(child.span()=> <#child as ::stagegate_sdk::Shape>::COLUMN_NAMES)
        }
        ChildColumns::Names(names) => quote!(&[#(#names),*]),
    };
    quote! {
        ::stagegate_sdk::ImageDeclaration {
            alias: #relationship,
            image_type: ::stagegate_sdk::ImageType::PreImage,
            attributes: #attributes,
            relationship: ::core::option::Option::Some(#relationship),
        }
    }
}

/// A constant list of logical names. A field's name goes through the entity's columns, so that a misspelt one is an
/// error where it is written.
fn names(columns: &Columns, data: &TokenStream) -> TokenStream {
    if columns.all {
        return quote!(<#data as ::stagegate_sdk::Shape>::COLUMN_NAMES);
    }
    let names = columns.names.iter().map(|column| match column {
        Column::Field(field) => {
            quote_spanned!(field.span()=> <#data as ::stagegate_sdk::Entity>::COLUMNS.#field.name())
        }
        Column::Name(name) => quote!(#name),
    });
    quote!(&[#(#names),*])
}

fn optional(text: Option<String>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// The first paragraph of the doc comment, on one line.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> Option<String> {
    let lines =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| {
            match &attribute.meta.require_name_value().ok()?.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => {
                    Some(text.value().trim().to_owned())
                }
                _ => None,
            }
        });
    let paragraph: Vec<_> = lines.skip_while(String::is_empty).take_while(|line| !line.is_empty()).collect();
    (!paragraph.is_empty()).then(|| paragraph.join(" "))
}
