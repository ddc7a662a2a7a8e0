//! The parts of `#[step(..)]`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitInt, LitStr, Result, Token, Type, parenthesized};

use super::jobs::Jobs;

/// The parts as written.
pub(crate) struct Arguments {
    pub(crate) stage: Ident,
    pub(crate) asynchronous: bool,
    pub(crate) jobs: Jobs,
    pub(crate) rank: Option<Number>,
    pub(crate) changed: Option<Columns>,
    pub(crate) changed_only: Option<Span>,
    pub(crate) before: Option<Columns>,
    pub(crate) after: Option<Columns>,
    pub(crate) children: Vec<Children>,
    pub(crate) entity: Option<LitStr>,
    pub(crate) message: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) configuration: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
}

/// A list of columns.
pub(crate) struct Columns {
    pub(crate) span: Span,
    /// Every column: of the struct, or of the record.
    pub(crate) all: bool,
    pub(crate) names: Vec<Column>,
}

/// The children of a record that is deleted.
pub(crate) struct Children {
    pub(crate) span: Span,
    pub(crate) relationship: LitStr,
    pub(crate) columns: ChildColumns,
}

/// What to read of them.
pub(crate) enum ChildColumns {
    /// The columns of an entity's struct.
    Struct(Type),
    /// These, or every one if there is none.
    Names(Vec<LitStr>),
}

/// One column.
pub(crate) enum Column {
    /// A field of the entity's struct.
    Field(Ident),
    /// A logical name.
    Name(LitStr),
}

/// A whole number that may be negative.
pub(crate) struct Number {
    negative: bool,
    number: LitInt,
}

impl quote::ToTokens for Number {
    fn to_tokens(&self, tokens: &mut proc_macro2::TokenStream) {
        let number = &self.number;
        tokens.extend(if self.negative { quote::quote!(-#number) } else { quote::quote!(#number) });
    }
}

const STAGES: &str = "a stage comes first: PreValidation, PreOperation or PostOperation";

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let stage: Ident = input.parse().map_err(|error| Error::new(error.span(), STAGES))?;
        if !["PreValidation", "PreOperation", "MainOperation", "PostOperation"]
            .iter()
            .any(|known| stage == known)
        {
            return Err(Error::new(stage.span(), format!("`{stage}` is not a stage; {STAGES}")));
        }
        let mut arguments = Self {
            stage,
            asynchronous: false,
            jobs: Jobs::default(),
            rank: None,
            changed: None,
            changed_only: None,
            before: None,
            after: None,
            children: Vec::new(),
            entity: None,
            message: None,
            name: None,
            configuration: None,
            description: None,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            arguments.part(input)?;
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn part(&mut self, input: ParseStream<'_>) -> Result<()> {
        if input.parse::<Option<Token![async]>>()?.is_some() {
            self.asynchronous = true;
            return Ok(());
        }
        let key: Ident = input.parse()?;
        match key.to_string().as_str() {
            "sync" => {}
            "rank" => once(&mut self.rank, &key, number(&key, input)?)?,
            "changed" => once(&mut self.changed, &key, columns(&key, input)?)?,
            "changed_only" => once(&mut self.changed_only, &key, key.span())?,
            "children" => self.children.push(children(&key, input)?),
            "before" => once(&mut self.before, &key, columns(&key, input)?)?,
            "after" => once(&mut self.after, &key, columns(&key, input)?)?,
            "entity" => once(&mut self.entity, &key, text(&key, input)?)?,
            "message" => once(&mut self.message, &key, text(&key, input)?)?,
            "name" => once(&mut self.name, &key, text(&key, input)?)?,
            "configuration" => once(&mut self.configuration, &key, text(&key, input)?)?,
            "description" => once(&mut self.description, &key, text(&key, input)?)?,
            _ if self.jobs.part(&key, input)? => {}
            other => {
                let text = format!(
                    "`{other}` is not a part of #[step]; these are: sync, async, rank = 1, changed(..), changed_only, \
                     before(..), after(..), children(..), entity = \"..\", message = \"..\", name = \"..\", configuration = \"..\", \
                     description = \"..\", and with async: ordered, unique, priority = 0, retries = 4, auto_delete, \
                     background"
                );
                return Err(Error::new(key.span(), text));
            }
        }
        Ok(())
    }
}

pub(super) fn once<T>(place: &mut Option<T>, key: &Ident, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(key.span(), format!("`{key}` is here twice"))),
    }
}

pub(super) fn number(key: &Ident, input: ParseStream<'_>) -> Result<Number> {
    equals(key, input)?;
    Ok(Number { negative: input.parse::<Option<Token![-]>>()?.is_some(), number: input.parse()? })
}

/// The `=` before a number.
pub(super) fn equals(key: &Ident, input: ParseStream<'_>) -> Result<()> {
    if !input.peek(Token![=]) {
        return Err(Error::new(key.span(), format!("write a number: `{key} = 1`")));
    }
    input.parse::<Token![=]>().map(drop)
}

fn text(key: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    if !input.peek(Token![=]) {
        return Err(Error::new(key.span(), format!("write `{key} = \"..\"`")));
    }
    input.parse::<Token![=]>()?;
    input.parse().map_err(|error| Error::new(error.span(), format!("write `{key} = \"..\"`")))
}

fn columns(key: &Ident, input: ParseStream<'_>) -> Result<Columns> {
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(
            key.span(),
            format!("write the columns in parentheses: `{key}(name, creditlimit)`"),
        ));
    }
    let content;
    parenthesized!(content in input);
    let mut columns = Columns { span: key.span(), all: false, names: Vec::new() };
    while !content.is_empty() {
        if content.peek(LitStr) {
            columns.names.push(Column::Name(content.parse()?));
        } else {
            let field: Ident = content.parse()?;
            if field == "all" && columns.names.is_empty() && content.is_empty() {
                columns.all = true;
            } else {
                columns.names.push(Column::Field(field));
            }
        }
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    if columns.names.is_empty() && !columns.all {
        return Err(Error::new(key.span(), format!("which columns? Write `{key}(name, creditlimit)`")));
    }
    Ok(columns)
}

fn children(key: &Ident, input: ParseStream<'_>) -> Result<Children> {
    const SHAPE: &str = "write the relationship's name and what to read of the children: `children(\"incident_tasks\", \
                         Task)`, with an entity's struct, with columns as strings, or with `all`";
    let wrong = |error: Error| Error::new(error.span(), SHAPE);
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(key.span(), SHAPE));
    }
    let content;
    parenthesized!(content in input);
    let relationship: LitStr = content.parse().map_err(wrong)?;
    content.parse::<Token![,]>().map_err(wrong)?;
    let columns = if content.peek(LitStr) {
        let names = content.parse_terminated(<LitStr as Parse>::parse, Token![,]).map_err(wrong)?;
        ChildColumns::Names(names.into_iter().collect())
    } else {
        let child: Type = content.parse().map_err(wrong)?;
        content.parse::<Option<Token![,]>>()?;
        match &child {
            Type::Path(path) if path.path.is_ident("all") => ChildColumns::Names(Vec::new()),
            _ => ChildColumns::Struct(child),
        }
    };
    if !content.is_empty() {
        return Err(Error::new(content.span(), SHAPE));
    }
    Ok(Children { span: key.span(), relationship, columns })
}
