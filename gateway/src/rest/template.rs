//! Path templates of `google.api.http`: `/v1/namespaces/{namespace}/services/{name}`.
//!
//! A variable stands for one whole segment, or with `{name=**}` for the rest of the path. Patterns inside a variable and verbs
//! after a colon are refused when the descriptor is read: no RPC of ours uses them, and a path that says one thing is easier
//! to quote in a shell.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

/// A field of a request by its path from the request's root: `pool.name` is two descriptors.
pub(crate) type FieldPath = Vec<FieldDescriptor>;

/// A parsed path template.
#[derive(Debug)]
pub(crate) struct Template {
    /// The path as a route: literal segments, and `{p0}`, `{p1}` … for the variables, so that two templates which differ only in
    /// the names of their variables are the same route.
    pub(crate) route: String,
    /// The path as it is written for people, each variable by the last part of its field: `/v1/pools/{name}` for `pool.name`.
    /// So the templates of one route are one path of the OpenAPI document, which forbids two that differ in names only.
    pub(crate) text: String,
    /// The field that each variable fills, in the order of their numbers.
    pub(crate) variables: Vec<FieldPath>,
}

impl Template {
    /// Parses `text` for requests of the type `input`.
    ///
    /// # Errors
    /// What is wrong with the template, in words.
    pub(crate) fn parse(text: &str, input: &MessageDescriptor) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("the path does not begin with a slash")?;
        let mut template = Self { route: String::new(), text: String::new(), variables: Vec::new() };
        let mut rest_taken = false;
        for segment in path.split('/') {
            if rest_taken {
                return Err("a `**` variable is not the last segment".to_owned());
            }
            template.route.push('/');
            template.text.push('/');
            match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
                Some(variable) => rest_taken = template.push_variable(variable, input)?,
                None if segment.is_empty() || segment.contains(['{', '}', '*']) => {
                    return Err(format!("the segment `{segment}` is not understood"));
                }
                None => {
                    template.route.push_str(segment);
                    template.text.push_str(segment);
                }
            }
        }
        Ok(template)
    }

    /// Adds a variable; says whether it takes the rest of the path.
    fn push_variable(&mut self, variable: &str, input: &MessageDescriptor) -> Result<bool, String> {
        let (name, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let rest = match pattern {
            "*" => "",
            "**" => "*",
            other => return Err(format!("the pattern `{other}` is not offered")),
        };
        let field = field_path(input, name)?;
        if field.last().is_some_and(|leaf| leaf.is_list() || matches!(leaf.kind(), Kind::Message(_))) {
            return Err(format!("`{name}` is not a single value"));
        }
        self.route.push_str(&format!("{{{rest}p{}}}", self.variables.len()));
        self.text.push_str(&format!("{{{}}}", leaf_name(&field)));
        self.variables.push(field);
        Ok(!rest.is_empty())
    }
}

/// Finds a field by its dotted path. Each part may be the proto name or the JSON name, as in JSON bodies.
///
/// # Errors
/// Which part is unknown, in words.
pub(crate) fn field_path(root: &MessageDescriptor, dotted: &str) -> Result<FieldPath, String> {
    let mut fields = FieldPath::new();
    let mut message = Some(root.clone());
    for part in dotted.split('.') {
        let Some(inside) = message.take() else {
            return Err(format!("`{part}` is asked of something that has no fields"));
        };
        let field = inside
            .get_field_by_name(part)
            .or_else(|| inside.get_field_by_json_name(part))
            .ok_or_else(|| format!("{} has no field `{part}`", inside.name()))?;
        if field.cardinality() != Cardinality::Repeated
            && let Kind::Message(next) = field.kind()
        {
            message = Some(next);
        }
        fields.push(field);
    }
    Ok(fields)
}

/// The name of the field that a path ends at, by which a template's text and the OpenAPI document call its variable.
pub(crate) fn leaf_name(path: &[FieldDescriptor]) -> &str {
    path.last().map_or("", FieldDescriptor::name)
}

/// The dotted path of a field, in proto names.
pub(crate) fn dotted(path: &[FieldDescriptor]) -> String {
    path.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".")
}
