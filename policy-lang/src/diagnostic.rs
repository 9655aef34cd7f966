//! What is wrong with a policy, where, and what to do about it.
//!
//! [`Diagnostics::render`] draws them for a terminal; [`Diagnostics::reports`] gives them as plain data,
//! for editors and `--json`.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::span::{Source, Span};

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The policy can't be used.
    Error,
    /// The policy can be used, and probably does not say what its author meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where, if anywhere in particular.
    pub span: Option<Span>,
    /// What stands there or should stand there.
    pub label: String,
    /// Other places that matter, and why.
    pub context: Vec<(Span, String)>,
    /// Ways out.
    pub help: Vec<String>,
}

impl Diagnostic {
    pub(crate) fn error(span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span: Some(span),
            label: label.into(),
            context: Vec::new(),
            help: Vec::new(),
        }
    }

    pub(crate) fn warning(span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message, label) }
    }

    /// An error that no line of any file is to blame for.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span: None,
            label: String::new(),
            context: Vec::new(),
            help: Vec::new(),
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    pub(crate) fn context(mut self, span: Span, label: impl Into<String>) -> Self {
        self.context.push((span, label.into()));
        self
    }
}

/// Whether rendered diagnostics carry ANSI colours. The caller knows its terminal and `NO_COLOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Style {
    /// Text only.
    #[default]
    Plain,
    /// ANSI escape sequences.
    Coloured,
}

/// All that was found in one run, in the order of the files.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    sources: Arc<[Source]>,
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

/// More are counted, not kept: nobody reads them, and each costs time to place.
const KEPT: usize = 100;

impl Diagnostics {
    pub(crate) fn new(sources: Arc<[Source]>, mut list: Vec<Diagnostic>) -> Self {
        let order = |diagnostic: &Diagnostic| diagnostic.span.map(|span| (span.source, span.start));
        list.sort_by_key(|diagnostic| (diagnostic.severity, order(diagnostic)));
        let errors = list.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        let warnings = list.len() - errors;
        list.truncate(KEPT);
        Self { sources, list, errors, warnings }
    }

    /// Errors first, each sort in the order of the text; the first 100 of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many are errors.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many are warnings.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// All of them as text: file, line, caret, what was expected, what to do. At most 100 are shown.
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let mut out = String::new();
        for diagnostic in &self.list {
            out.push_str(&renderer.render(&[self.group(diagnostic)]));
            out.push_str("\n\n");
        }
        let more = (self.errors + self.warnings).saturating_sub(self.list.len());
        if more > 0 {
            out.push_str(&format!("and {more} more\n"));
        }
        out
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&*diagnostic.message));
        // One snippet a file, the file with the main annotation first.
        let mut marks: Vec<(Span, AnnotationKind, &str)> = Vec::new();
        marks.extend(diagnostic.span.map(|span| (span, AnnotationKind::Primary, &*diagnostic.label)));
        let context = diagnostic.context.iter();
        marks.extend(context.map(|(span, label)| (*span, AnnotationKind::Context, &**label)));
        while let Some(&(first, ..)) = marks.first() {
            let Some(source) = self.sources.get(first.source as usize) else { break };
            let (here, elsewhere): (Vec<_>, Vec<_>) =
                marks.into_iter().partition(|(span, ..)| span.source == first.source);
            let annotations = here.into_iter().map(|(span, kind, label)| {
                let label = (!label.is_empty()).then_some(label);
                kind.span(clamp(span, &source.text)).label(label)
            });
            group =
                group.element(Snippet::source(&*source.text).path(&*source.name).annotations(annotations));
            marks = elsewhere;
        }
        group.elements(diagnostic.help.iter().map(|help| Level::HELP.message(&**help)))
    }

    /// All of them as plain data.
    pub fn reports(&self) -> Vec<Report> {
        self.list.iter().map(|diagnostic| self.report(diagnostic)).collect()
    }

    fn report(&self, diagnostic: &Diagnostic) -> Report {
        let place = |span: Span| {
            let source = self.sources.get(span.source as usize)?;
            let (line, column) = source.position(span.start as usize);
            let (end_line, end_column) = source.position(span.end as usize);
            Some(ReportPlace { file: source.name.to_string(), line, column, end_line, end_column })
        };
        let related = diagnostic.context.iter();
        Report {
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            place: diagnostic.span.and_then(place),
            label: diagnostic.label.clone(),
            related: related
                .filter_map(|(span, label)| Some(Related { place: place(*span)?, label: label.clone() }))
                .collect(),
            help: diagnostic.help.clone(),
        }
    }
}

/// A span whose ends lie inside the text, on characters' boundaries, and that marks at least one byte
/// where there is one.
fn clamp(span: Span, text: &str) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start as usize);
    start..floor(span.end as usize).max(start)
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Diagnostics {}

/// A diagnostic as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub place: Option<ReportPlace>,
    /// What stands there or should stand there.
    pub label: String,
    /// Other places that matter.
    pub related: Vec<Related>,
    /// Ways out.
    pub help: Vec<String>,
}

/// Another place that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub place: ReportPlace,
    /// Why it matters.
    pub label: String,
}

/// A place in a file. Lines and columns are one-based, columns in characters; the end is exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "said above")]
pub struct ReportPlace {
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}
