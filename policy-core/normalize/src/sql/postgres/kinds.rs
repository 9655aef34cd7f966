//! The kinds of node that PostgreSQL's grammar has, by name.
//!
//! `libpg_query` shares one enum between raw parse trees, which the grammar makes, and analysed ones, which only the
//! server makes. Both are named here, so that a new kind in a new version stops the compiler until somebody has
//! thought about it.

use pg_query::NodeEnum;

/// The kinds that no raw expression holds: statements, clauses, and nodes of analysed trees.
macro_rules! not_an_expression {
    () => {
        pg_query::NodeEnum::Alias(_)
            | pg_query::NodeEnum::RangeVar(_)
            | pg_query::NodeEnum::TableFunc(_)
            | pg_query::NodeEnum::IntoClause(_)
            | pg_query::NodeEnum::Var(_)
            | pg_query::NodeEnum::Param(_)
            | pg_query::NodeEnum::Aggref(_)
            | pg_query::NodeEnum::WindowFunc(_)
            | pg_query::NodeEnum::WindowFuncRunCondition(_)
            | pg_query::NodeEnum::SubscriptingRef(_)
            | pg_query::NodeEnum::FuncExpr(_)
            | pg_query::NodeEnum::OpExpr(_)
            | pg_query::NodeEnum::DistinctExpr(_)
            | pg_query::NodeEnum::NullIfExpr(_)
            | pg_query::NodeEnum::ScalarArrayOpExpr(_)
            | pg_query::NodeEnum::SubPlan(_)
            | pg_query::NodeEnum::AlternativeSubPlan(_)
            | pg_query::NodeEnum::FieldSelect(_)
            | pg_query::NodeEnum::FieldStore(_)
            | pg_query::NodeEnum::RelabelType(_)
            | pg_query::NodeEnum::CoerceViaIo(_)
            | pg_query::NodeEnum::ArrayCoerceExpr(_)
            | pg_query::NodeEnum::ConvertRowtypeExpr(_)
            | pg_query::NodeEnum::CollateExpr(_)
            | pg_query::NodeEnum::CaseTestExpr(_)
            | pg_query::NodeEnum::ArrayExpr(_)
            | pg_query::NodeEnum::RowCompareExpr(_)
            | pg_query::NodeEnum::JsonFormat(_)
            | pg_query::NodeEnum::JsonReturning(_)
            | pg_query::NodeEnum::JsonConstructorExpr(_)
            | pg_query::NodeEnum::JsonExpr(_)
            | pg_query::NodeEnum::JsonTablePath(_)
            | pg_query::NodeEnum::JsonTablePathScan(_)
            | pg_query::NodeEnum::JsonTableSiblingJoin(_)
            | pg_query::NodeEnum::MergeAction(_)
            | pg_query::NodeEnum::CoerceToDomain(_)
            | pg_query::NodeEnum::CoerceToDomainValue(_)
            | pg_query::NodeEnum::NextValueExpr(_)
            | pg_query::NodeEnum::InferenceElem(_)
            | pg_query::NodeEnum::ReturningExpr(_)
            | pg_query::NodeEnum::TargetEntry(_)
            | pg_query::NodeEnum::RangeTblRef(_)
            | pg_query::NodeEnum::JoinExpr(_)
            | pg_query::NodeEnum::FromExpr(_)
            | pg_query::NodeEnum::OnConflictExpr(_)
            | pg_query::NodeEnum::Query(_)
            | pg_query::NodeEnum::RoleSpec(_)
            | pg_query::NodeEnum::AStar(_)
            | pg_query::NodeEnum::SortBy(_)
            | pg_query::NodeEnum::WindowDef(_)
            | pg_query::NodeEnum::RangeSubselect(_)
            | pg_query::NodeEnum::RangeFunction(_)
            | pg_query::NodeEnum::RangeTableFunc(_)
            | pg_query::NodeEnum::RangeTableFuncCol(_)
            | pg_query::NodeEnum::RangeTableSample(_)
            | pg_query::NodeEnum::ColumnDef(_)
            | pg_query::NodeEnum::TableLikeClause(_)
            | pg_query::NodeEnum::IndexElem(_)
            | pg_query::NodeEnum::DefElem(_)
            | pg_query::NodeEnum::LockingClause(_)
            | pg_query::NodeEnum::PartitionElem(_)
            | pg_query::NodeEnum::PartitionSpec(_)
            | pg_query::NodeEnum::PartitionBoundSpec(_)
            | pg_query::NodeEnum::PartitionRangeDatum(_)
            | pg_query::NodeEnum::PartitionCmd(_)
            | pg_query::NodeEnum::RangeTblEntry(_)
            | pg_query::NodeEnum::RtepermissionInfo(_)
            | pg_query::NodeEnum::RangeTblFunction(_)
            | pg_query::NodeEnum::TableSampleClause(_)
            | pg_query::NodeEnum::WithCheckOption(_)
            | pg_query::NodeEnum::SortGroupClause(_)
            | pg_query::NodeEnum::GroupingSet(_)
            | pg_query::NodeEnum::WindowClause(_)
            | pg_query::NodeEnum::RowMarkClause(_)
            | pg_query::NodeEnum::WithClause(_)
            | pg_query::NodeEnum::InferClause(_)
            | pg_query::NodeEnum::OnConflictClause(_)
            | pg_query::NodeEnum::CtesearchClause(_)
            | pg_query::NodeEnum::CtecycleClause(_)
            | pg_query::NodeEnum::CommonTableExpr(_)
            | pg_query::NodeEnum::MergeWhenClause(_)
            | pg_query::NodeEnum::ReturningOption(_)
            | pg_query::NodeEnum::ReturningClause(_)
            | pg_query::NodeEnum::TriggerTransition(_)
            | pg_query::NodeEnum::JsonOutput(_)
            | pg_query::NodeEnum::JsonTable(_)
            | pg_query::NodeEnum::JsonTableColumn(_)
            | pg_query::NodeEnum::JsonAggConstructor(_)
            | pg_query::NodeEnum::RawStmt(_)
            | pg_query::NodeEnum::InsertStmt(_)
            | pg_query::NodeEnum::DeleteStmt(_)
            | pg_query::NodeEnum::UpdateStmt(_)
            | pg_query::NodeEnum::MergeStmt(_)
            | pg_query::NodeEnum::SelectStmt(_)
            | pg_query::NodeEnum::SetOperationStmt(_)
            | pg_query::NodeEnum::ReturnStmt(_)
            | pg_query::NodeEnum::PlassignStmt(_)
            | pg_query::NodeEnum::CreateSchemaStmt(_)
            | pg_query::NodeEnum::AlterTableStmt(_)
            | pg_query::NodeEnum::AlterTableCmd(_)
            | pg_query::NodeEnum::AtalterConstraint(_)
            | pg_query::NodeEnum::ReplicaIdentityStmt(_)
            | pg_query::NodeEnum::AlterCollationStmt(_)
            | pg_query::NodeEnum::AlterDomainStmt(_)
            | pg_query::NodeEnum::GrantStmt(_)
            | pg_query::NodeEnum::ObjectWithArgs(_)
            | pg_query::NodeEnum::AccessPriv(_)
            | pg_query::NodeEnum::GrantRoleStmt(_)
            | pg_query::NodeEnum::AlterDefaultPrivilegesStmt(_)
            | pg_query::NodeEnum::CopyStmt(_)
            | pg_query::NodeEnum::VariableSetStmt(_)
            | pg_query::NodeEnum::VariableShowStmt(_)
            | pg_query::NodeEnum::CreateStmt(_)
            | pg_query::NodeEnum::Constraint(_)
            | pg_query::NodeEnum::CreateTableSpaceStmt(_)
            | pg_query::NodeEnum::DropTableSpaceStmt(_)
            | pg_query::NodeEnum::AlterTableSpaceOptionsStmt(_)
            | pg_query::NodeEnum::AlterTableMoveAllStmt(_)
            | pg_query::NodeEnum::CreateExtensionStmt(_)
            | pg_query::NodeEnum::AlterExtensionStmt(_)
            | pg_query::NodeEnum::AlterExtensionContentsStmt(_)
            | pg_query::NodeEnum::CreateFdwStmt(_)
            | pg_query::NodeEnum::AlterFdwStmt(_)
            | pg_query::NodeEnum::CreateForeignServerStmt(_)
            | pg_query::NodeEnum::AlterForeignServerStmt(_)
            | pg_query::NodeEnum::CreateForeignTableStmt(_)
            | pg_query::NodeEnum::CreateUserMappingStmt(_)
            | pg_query::NodeEnum::AlterUserMappingStmt(_)
            | pg_query::NodeEnum::DropUserMappingStmt(_)
            | pg_query::NodeEnum::ImportForeignSchemaStmt(_)
            | pg_query::NodeEnum::CreatePolicyStmt(_)
            | pg_query::NodeEnum::AlterPolicyStmt(_)
            | pg_query::NodeEnum::CreateAmStmt(_)
            | pg_query::NodeEnum::CreateTrigStmt(_)
            | pg_query::NodeEnum::CreateEventTrigStmt(_)
            | pg_query::NodeEnum::AlterEventTrigStmt(_)
            | pg_query::NodeEnum::CreatePlangStmt(_)
            | pg_query::NodeEnum::CreateRoleStmt(_)
            | pg_query::NodeEnum::AlterRoleStmt(_)
            | pg_query::NodeEnum::AlterRoleSetStmt(_)
            | pg_query::NodeEnum::DropRoleStmt(_)
            | pg_query::NodeEnum::CreateSeqStmt(_)
            | pg_query::NodeEnum::AlterSeqStmt(_)
            | pg_query::NodeEnum::DefineStmt(_)
            | pg_query::NodeEnum::CreateDomainStmt(_)
            | pg_query::NodeEnum::CreateOpClassStmt(_)
            | pg_query::NodeEnum::CreateOpClassItem(_)
            | pg_query::NodeEnum::CreateOpFamilyStmt(_)
            | pg_query::NodeEnum::AlterOpFamilyStmt(_)
            | pg_query::NodeEnum::DropStmt(_)
            | pg_query::NodeEnum::TruncateStmt(_)
            | pg_query::NodeEnum::CommentStmt(_)
            | pg_query::NodeEnum::SecLabelStmt(_)
            | pg_query::NodeEnum::DeclareCursorStmt(_)
            | pg_query::NodeEnum::ClosePortalStmt(_)
            | pg_query::NodeEnum::FetchStmt(_)
            | pg_query::NodeEnum::IndexStmt(_)
            | pg_query::NodeEnum::CreateStatsStmt(_)
            | pg_query::NodeEnum::StatsElem(_)
            | pg_query::NodeEnum::AlterStatsStmt(_)
            | pg_query::NodeEnum::CreateFunctionStmt(_)
            | pg_query::NodeEnum::FunctionParameter(_)
            | pg_query::NodeEnum::AlterFunctionStmt(_)
            | pg_query::NodeEnum::DoStmt(_)
            | pg_query::NodeEnum::InlineCodeBlock(_)
            | pg_query::NodeEnum::CallStmt(_)
            | pg_query::NodeEnum::CallContext(_)
            | pg_query::NodeEnum::RenameStmt(_)
            | pg_query::NodeEnum::AlterObjectDependsStmt(_)
            | pg_query::NodeEnum::AlterObjectSchemaStmt(_)
            | pg_query::NodeEnum::AlterOwnerStmt(_)
            | pg_query::NodeEnum::AlterOperatorStmt(_)
            | pg_query::NodeEnum::AlterTypeStmt(_)
            | pg_query::NodeEnum::RuleStmt(_)
            | pg_query::NodeEnum::NotifyStmt(_)
            | pg_query::NodeEnum::ListenStmt(_)
            | pg_query::NodeEnum::UnlistenStmt(_)
            | pg_query::NodeEnum::TransactionStmt(_)
            | pg_query::NodeEnum::CompositeTypeStmt(_)
            | pg_query::NodeEnum::CreateEnumStmt(_)
            | pg_query::NodeEnum::CreateRangeStmt(_)
            | pg_query::NodeEnum::AlterEnumStmt(_)
            | pg_query::NodeEnum::ViewStmt(_)
            | pg_query::NodeEnum::LoadStmt(_)
            | pg_query::NodeEnum::CreatedbStmt(_)
            | pg_query::NodeEnum::AlterDatabaseStmt(_)
            | pg_query::NodeEnum::AlterDatabaseRefreshCollStmt(_)
            | pg_query::NodeEnum::AlterDatabaseSetStmt(_)
            | pg_query::NodeEnum::DropdbStmt(_)
            | pg_query::NodeEnum::AlterSystemStmt(_)
            | pg_query::NodeEnum::ClusterStmt(_)
            | pg_query::NodeEnum::VacuumStmt(_)
            | pg_query::NodeEnum::VacuumRelation(_)
            | pg_query::NodeEnum::ExplainStmt(_)
            | pg_query::NodeEnum::CreateTableAsStmt(_)
            | pg_query::NodeEnum::RefreshMatViewStmt(_)
            | pg_query::NodeEnum::CheckPointStmt(_)
            | pg_query::NodeEnum::DiscardStmt(_)
            | pg_query::NodeEnum::LockStmt(_)
            | pg_query::NodeEnum::ConstraintsSetStmt(_)
            | pg_query::NodeEnum::ReindexStmt(_)
            | pg_query::NodeEnum::CreateConversionStmt(_)
            | pg_query::NodeEnum::CreateCastStmt(_)
            | pg_query::NodeEnum::CreateTransformStmt(_)
            | pg_query::NodeEnum::PrepareStmt(_)
            | pg_query::NodeEnum::ExecuteStmt(_)
            | pg_query::NodeEnum::DeallocateStmt(_)
            | pg_query::NodeEnum::DropOwnedStmt(_)
            | pg_query::NodeEnum::ReassignOwnedStmt(_)
            | pg_query::NodeEnum::AlterTsdictionaryStmt(_)
            | pg_query::NodeEnum::AlterTsconfigurationStmt(_)
            | pg_query::NodeEnum::PublicationTable(_)
            | pg_query::NodeEnum::PublicationObjSpec(_)
            | pg_query::NodeEnum::CreatePublicationStmt(_)
            | pg_query::NodeEnum::AlterPublicationStmt(_)
            | pg_query::NodeEnum::CreateSubscriptionStmt(_)
            | pg_query::NodeEnum::AlterSubscriptionStmt(_)
            | pg_query::NodeEnum::DropSubscriptionStmt(_)
            | pg_query::NodeEnum::IntList(_)
            | pg_query::NodeEnum::OidList(_)
    };
}

/// The name of a node's kind.
pub(super) const fn name(node: &NodeEnum) -> &'static str {
    match node {
        NodeEnum::Alias(_) => "Alias",
        NodeEnum::RangeVar(_) => "RangeVar",
        NodeEnum::TableFunc(_) => "TableFunc",
        NodeEnum::IntoClause(_) => "IntoClause",
        NodeEnum::Var(_) => "Var",
        NodeEnum::Param(_) => "Param",
        NodeEnum::Aggref(_) => "Aggref",
        NodeEnum::GroupingFunc(_) => "GroupingFunc",
        NodeEnum::WindowFunc(_) => "WindowFunc",
        NodeEnum::WindowFuncRunCondition(_) => "WindowFuncRunCondition",
        NodeEnum::MergeSupportFunc(_) => "MergeSupportFunc",
        NodeEnum::SubscriptingRef(_) => "SubscriptingRef",
        NodeEnum::FuncExpr(_) => "FuncExpr",
        NodeEnum::NamedArgExpr(_) => "NamedArgExpr",
        NodeEnum::OpExpr(_) => "OpExpr",
        NodeEnum::DistinctExpr(_) => "DistinctExpr",
        NodeEnum::NullIfExpr(_) => "NullIfExpr",
        NodeEnum::ScalarArrayOpExpr(_) => "ScalarArrayOpExpr",
        NodeEnum::BoolExpr(_) => "BoolExpr",
        NodeEnum::SubLink(_) => "SubLink",
        NodeEnum::SubPlan(_) => "SubPlan",
        NodeEnum::AlternativeSubPlan(_) => "AlternativeSubPlan",
        NodeEnum::FieldSelect(_) => "FieldSelect",
        NodeEnum::FieldStore(_) => "FieldStore",
        NodeEnum::RelabelType(_) => "RelabelType",
        NodeEnum::CoerceViaIo(_) => "CoerceViaIo",
        NodeEnum::ArrayCoerceExpr(_) => "ArrayCoerceExpr",
        NodeEnum::ConvertRowtypeExpr(_) => "ConvertRowtypeExpr",
        NodeEnum::CollateExpr(_) => "CollateExpr",
        NodeEnum::CaseExpr(_) => "CaseExpr",
        NodeEnum::CaseWhen(_) => "CaseWhen",
        NodeEnum::CaseTestExpr(_) => "CaseTestExpr",
        NodeEnum::ArrayExpr(_) => "ArrayExpr",
        NodeEnum::RowExpr(_) => "RowExpr",
        NodeEnum::RowCompareExpr(_) => "RowCompareExpr",
        NodeEnum::CoalesceExpr(_) => "CoalesceExpr",
        NodeEnum::MinMaxExpr(_) => "MinMaxExpr",
        NodeEnum::SqlvalueFunction(_) => "SqlvalueFunction",
        NodeEnum::XmlExpr(_) => "XmlExpr",
        NodeEnum::JsonFormat(_) => "JsonFormat",
        NodeEnum::JsonReturning(_) => "JsonReturning",
        NodeEnum::JsonValueExpr(_) => "JsonValueExpr",
        NodeEnum::JsonConstructorExpr(_) => "JsonConstructorExpr",
        NodeEnum::JsonIsPredicate(_) => "JsonIsPredicate",
        NodeEnum::JsonBehavior(_) => "JsonBehavior",
        NodeEnum::JsonExpr(_) => "JsonExpr",
        NodeEnum::JsonTablePath(_) => "JsonTablePath",
        NodeEnum::JsonTablePathScan(_) => "JsonTablePathScan",
        NodeEnum::JsonTableSiblingJoin(_) => "JsonTableSiblingJoin",
        NodeEnum::NullTest(_) => "NullTest",
        NodeEnum::BooleanTest(_) => "BooleanTest",
        NodeEnum::MergeAction(_) => "MergeAction",
        NodeEnum::CoerceToDomain(_) => "CoerceToDomain",
        NodeEnum::CoerceToDomainValue(_) => "CoerceToDomainValue",
        NodeEnum::SetToDefault(_) => "SetToDefault",
        NodeEnum::CurrentOfExpr(_) => "CurrentOfExpr",
        NodeEnum::NextValueExpr(_) => "NextValueExpr",
        NodeEnum::InferenceElem(_) => "InferenceElem",
        NodeEnum::ReturningExpr(_) => "ReturningExpr",
        NodeEnum::TargetEntry(_) => "TargetEntry",
        NodeEnum::RangeTblRef(_) => "RangeTblRef",
        NodeEnum::JoinExpr(_) => "JoinExpr",
        NodeEnum::FromExpr(_) => "FromExpr",
        NodeEnum::OnConflictExpr(_) => "OnConflictExpr",
        NodeEnum::Query(_) => "Query",
        NodeEnum::TypeName(_) => "TypeName",
        NodeEnum::ColumnRef(_) => "ColumnRef",
        NodeEnum::ParamRef(_) => "ParamRef",
        NodeEnum::AExpr(_) => "AExpr",
        NodeEnum::TypeCast(_) => "TypeCast",
        NodeEnum::CollateClause(_) => "CollateClause",
        NodeEnum::RoleSpec(_) => "RoleSpec",
        NodeEnum::FuncCall(_) => "FuncCall",
        NodeEnum::AStar(_) => "AStar",
        NodeEnum::AIndices(_) => "AIndices",
        NodeEnum::AIndirection(_) => "AIndirection",
        NodeEnum::AArrayExpr(_) => "AArrayExpr",
        NodeEnum::ResTarget(_) => "ResTarget",
        NodeEnum::MultiAssignRef(_) => "MultiAssignRef",
        NodeEnum::SortBy(_) => "SortBy",
        NodeEnum::WindowDef(_) => "WindowDef",
        NodeEnum::RangeSubselect(_) => "RangeSubselect",
        NodeEnum::RangeFunction(_) => "RangeFunction",
        NodeEnum::RangeTableFunc(_) => "RangeTableFunc",
        NodeEnum::RangeTableFuncCol(_) => "RangeTableFuncCol",
        NodeEnum::RangeTableSample(_) => "RangeTableSample",
        NodeEnum::ColumnDef(_) => "ColumnDef",
        NodeEnum::TableLikeClause(_) => "TableLikeClause",
        NodeEnum::IndexElem(_) => "IndexElem",
        NodeEnum::DefElem(_) => "DefElem",
        NodeEnum::LockingClause(_) => "LockingClause",
        NodeEnum::XmlSerialize(_) => "XmlSerialize",
        NodeEnum::PartitionElem(_) => "PartitionElem",
        NodeEnum::PartitionSpec(_) => "PartitionSpec",
        NodeEnum::PartitionBoundSpec(_) => "PartitionBoundSpec",
        NodeEnum::PartitionRangeDatum(_) => "PartitionRangeDatum",
        NodeEnum::PartitionCmd(_) => "PartitionCmd",
        NodeEnum::RangeTblEntry(_) => "RangeTblEntry",
        NodeEnum::RtepermissionInfo(_) => "RtepermissionInfo",
        NodeEnum::RangeTblFunction(_) => "RangeTblFunction",
        NodeEnum::TableSampleClause(_) => "TableSampleClause",
        NodeEnum::WithCheckOption(_) => "WithCheckOption",
        NodeEnum::SortGroupClause(_) => "SortGroupClause",
        NodeEnum::GroupingSet(_) => "GroupingSet",
        NodeEnum::WindowClause(_) => "WindowClause",
        NodeEnum::RowMarkClause(_) => "RowMarkClause",
        NodeEnum::WithClause(_) => "WithClause",
        NodeEnum::InferClause(_) => "InferClause",
        NodeEnum::OnConflictClause(_) => "OnConflictClause",
        NodeEnum::CtesearchClause(_) => "CtesearchClause",
        NodeEnum::CtecycleClause(_) => "CtecycleClause",
        NodeEnum::CommonTableExpr(_) => "CommonTableExpr",
        NodeEnum::MergeWhenClause(_) => "MergeWhenClause",
        NodeEnum::ReturningOption(_) => "ReturningOption",
        NodeEnum::ReturningClause(_) => "ReturningClause",
        NodeEnum::TriggerTransition(_) => "TriggerTransition",
        NodeEnum::JsonOutput(_) => "JsonOutput",
        NodeEnum::JsonArgument(_) => "JsonArgument",
        NodeEnum::JsonFuncExpr(_) => "JsonFuncExpr",
        NodeEnum::JsonTablePathSpec(_) => "JsonTablePathSpec",
        NodeEnum::JsonTable(_) => "JsonTable",
        NodeEnum::JsonTableColumn(_) => "JsonTableColumn",
        NodeEnum::JsonKeyValue(_) => "JsonKeyValue",
        NodeEnum::JsonParseExpr(_) => "JsonParseExpr",
        NodeEnum::JsonScalarExpr(_) => "JsonScalarExpr",
        NodeEnum::JsonSerializeExpr(_) => "JsonSerializeExpr",
        NodeEnum::JsonObjectConstructor(_) => "JsonObjectConstructor",
        NodeEnum::JsonArrayConstructor(_) => "JsonArrayConstructor",
        NodeEnum::JsonArrayQueryConstructor(_) => "JsonArrayQueryConstructor",
        NodeEnum::JsonAggConstructor(_) => "JsonAggConstructor",
        NodeEnum::JsonObjectAgg(_) => "JsonObjectAgg",
        NodeEnum::JsonArrayAgg(_) => "JsonArrayAgg",
        NodeEnum::RawStmt(_) => "RawStmt",
        NodeEnum::InsertStmt(_) => "InsertStmt",
        NodeEnum::DeleteStmt(_) => "DeleteStmt",
        NodeEnum::UpdateStmt(_) => "UpdateStmt",
        NodeEnum::MergeStmt(_) => "MergeStmt",
        NodeEnum::SelectStmt(_) => "SelectStmt",
        NodeEnum::SetOperationStmt(_) => "SetOperationStmt",
        NodeEnum::ReturnStmt(_) => "ReturnStmt",
        NodeEnum::PlassignStmt(_) => "PlassignStmt",
        NodeEnum::CreateSchemaStmt(_) => "CreateSchemaStmt",
        NodeEnum::AlterTableStmt(_) => "AlterTableStmt",
        NodeEnum::AlterTableCmd(_) => "AlterTableCmd",
        NodeEnum::AtalterConstraint(_) => "AtalterConstraint",
        NodeEnum::ReplicaIdentityStmt(_) => "ReplicaIdentityStmt",
        NodeEnum::AlterCollationStmt(_) => "AlterCollationStmt",
        NodeEnum::AlterDomainStmt(_) => "AlterDomainStmt",
        NodeEnum::GrantStmt(_) => "GrantStmt",
        NodeEnum::ObjectWithArgs(_) => "ObjectWithArgs",
        NodeEnum::AccessPriv(_) => "AccessPriv",
        NodeEnum::GrantRoleStmt(_) => "GrantRoleStmt",
        NodeEnum::AlterDefaultPrivilegesStmt(_) => "AlterDefaultPrivilegesStmt",
        NodeEnum::CopyStmt(_) => "CopyStmt",
        NodeEnum::VariableSetStmt(_) => "VariableSetStmt",
        NodeEnum::VariableShowStmt(_) => "VariableShowStmt",
        NodeEnum::CreateStmt(_) => "CreateStmt",
        NodeEnum::Constraint(_) => "Constraint",
        NodeEnum::CreateTableSpaceStmt(_) => "CreateTableSpaceStmt",
        NodeEnum::DropTableSpaceStmt(_) => "DropTableSpaceStmt",
        NodeEnum::AlterTableSpaceOptionsStmt(_) => "AlterTableSpaceOptionsStmt",
        NodeEnum::AlterTableMoveAllStmt(_) => "AlterTableMoveAllStmt",
        NodeEnum::CreateExtensionStmt(_) => "CreateExtensionStmt",
        NodeEnum::AlterExtensionStmt(_) => "AlterExtensionStmt",
        NodeEnum::AlterExtensionContentsStmt(_) => "AlterExtensionContentsStmt",
        NodeEnum::CreateFdwStmt(_) => "CreateFdwStmt",
        NodeEnum::AlterFdwStmt(_) => "AlterFdwStmt",
        NodeEnum::CreateForeignServerStmt(_) => "CreateForeignServerStmt",
        NodeEnum::AlterForeignServerStmt(_) => "AlterForeignServerStmt",
        NodeEnum::CreateForeignTableStmt(_) => "CreateForeignTableStmt",
        NodeEnum::CreateUserMappingStmt(_) => "CreateUserMappingStmt",
        NodeEnum::AlterUserMappingStmt(_) => "AlterUserMappingStmt",
        NodeEnum::DropUserMappingStmt(_) => "DropUserMappingStmt",
        NodeEnum::ImportForeignSchemaStmt(_) => "ImportForeignSchemaStmt",
        NodeEnum::CreatePolicyStmt(_) => "CreatePolicyStmt",
        NodeEnum::AlterPolicyStmt(_) => "AlterPolicyStmt",
        NodeEnum::CreateAmStmt(_) => "CreateAmStmt",
        NodeEnum::CreateTrigStmt(_) => "CreateTrigStmt",
        NodeEnum::CreateEventTrigStmt(_) => "CreateEventTrigStmt",
        NodeEnum::AlterEventTrigStmt(_) => "AlterEventTrigStmt",
        NodeEnum::CreatePlangStmt(_) => "CreatePlangStmt",
        NodeEnum::CreateRoleStmt(_) => "CreateRoleStmt",
        NodeEnum::AlterRoleStmt(_) => "AlterRoleStmt",
        NodeEnum::AlterRoleSetStmt(_) => "AlterRoleSetStmt",
        NodeEnum::DropRoleStmt(_) => "DropRoleStmt",
        NodeEnum::CreateSeqStmt(_) => "CreateSeqStmt",
        NodeEnum::AlterSeqStmt(_) => "AlterSeqStmt",
        NodeEnum::DefineStmt(_) => "DefineStmt",
        NodeEnum::CreateDomainStmt(_) => "CreateDomainStmt",
        NodeEnum::CreateOpClassStmt(_) => "CreateOpClassStmt",
        NodeEnum::CreateOpClassItem(_) => "CreateOpClassItem",
        NodeEnum::CreateOpFamilyStmt(_) => "CreateOpFamilyStmt",
        NodeEnum::AlterOpFamilyStmt(_) => "AlterOpFamilyStmt",
        NodeEnum::DropStmt(_) => "DropStmt",
        NodeEnum::TruncateStmt(_) => "TruncateStmt",
        NodeEnum::CommentStmt(_) => "CommentStmt",
        NodeEnum::SecLabelStmt(_) => "SecLabelStmt",
        NodeEnum::DeclareCursorStmt(_) => "DeclareCursorStmt",
        NodeEnum::ClosePortalStmt(_) => "ClosePortalStmt",
        NodeEnum::FetchStmt(_) => "FetchStmt",
        NodeEnum::IndexStmt(_) => "IndexStmt",
        NodeEnum::CreateStatsStmt(_) => "CreateStatsStmt",
        NodeEnum::StatsElem(_) => "StatsElem",
        NodeEnum::AlterStatsStmt(_) => "AlterStatsStmt",
        NodeEnum::CreateFunctionStmt(_) => "CreateFunctionStmt",
        NodeEnum::FunctionParameter(_) => "FunctionParameter",
        NodeEnum::AlterFunctionStmt(_) => "AlterFunctionStmt",
        NodeEnum::DoStmt(_) => "DoStmt",
        NodeEnum::InlineCodeBlock(_) => "InlineCodeBlock",
        NodeEnum::CallStmt(_) => "CallStmt",
        NodeEnum::CallContext(_) => "CallContext",
        NodeEnum::RenameStmt(_) => "RenameStmt",
        NodeEnum::AlterObjectDependsStmt(_) => "AlterObjectDependsStmt",
        NodeEnum::AlterObjectSchemaStmt(_) => "AlterObjectSchemaStmt",
        NodeEnum::AlterOwnerStmt(_) => "AlterOwnerStmt",
        NodeEnum::AlterOperatorStmt(_) => "AlterOperatorStmt",
        NodeEnum::AlterTypeStmt(_) => "AlterTypeStmt",
        NodeEnum::RuleStmt(_) => "RuleStmt",
        NodeEnum::NotifyStmt(_) => "NotifyStmt",
        NodeEnum::ListenStmt(_) => "ListenStmt",
        NodeEnum::UnlistenStmt(_) => "UnlistenStmt",
        NodeEnum::TransactionStmt(_) => "TransactionStmt",
        NodeEnum::CompositeTypeStmt(_) => "CompositeTypeStmt",
        NodeEnum::CreateEnumStmt(_) => "CreateEnumStmt",
        NodeEnum::CreateRangeStmt(_) => "CreateRangeStmt",
        NodeEnum::AlterEnumStmt(_) => "AlterEnumStmt",
        NodeEnum::ViewStmt(_) => "ViewStmt",
        NodeEnum::LoadStmt(_) => "LoadStmt",
        NodeEnum::CreatedbStmt(_) => "CreatedbStmt",
        NodeEnum::AlterDatabaseStmt(_) => "AlterDatabaseStmt",
        NodeEnum::AlterDatabaseRefreshCollStmt(_) => "AlterDatabaseRefreshCollStmt",
        NodeEnum::AlterDatabaseSetStmt(_) => "AlterDatabaseSetStmt",
        NodeEnum::DropdbStmt(_) => "DropdbStmt",
        NodeEnum::AlterSystemStmt(_) => "AlterSystemStmt",
        NodeEnum::ClusterStmt(_) => "ClusterStmt",
        NodeEnum::VacuumStmt(_) => "VacuumStmt",
        NodeEnum::VacuumRelation(_) => "VacuumRelation",
        NodeEnum::ExplainStmt(_) => "ExplainStmt",
        NodeEnum::CreateTableAsStmt(_) => "CreateTableAsStmt",
        NodeEnum::RefreshMatViewStmt(_) => "RefreshMatViewStmt",
        NodeEnum::CheckPointStmt(_) => "CheckPointStmt",
        NodeEnum::DiscardStmt(_) => "DiscardStmt",
        NodeEnum::LockStmt(_) => "LockStmt",
        NodeEnum::ConstraintsSetStmt(_) => "ConstraintsSetStmt",
        NodeEnum::ReindexStmt(_) => "ReindexStmt",
        NodeEnum::CreateConversionStmt(_) => "CreateConversionStmt",
        NodeEnum::CreateCastStmt(_) => "CreateCastStmt",
        NodeEnum::CreateTransformStmt(_) => "CreateTransformStmt",
        NodeEnum::PrepareStmt(_) => "PrepareStmt",
        NodeEnum::ExecuteStmt(_) => "ExecuteStmt",
        NodeEnum::DeallocateStmt(_) => "DeallocateStmt",
        NodeEnum::DropOwnedStmt(_) => "DropOwnedStmt",
        NodeEnum::ReassignOwnedStmt(_) => "ReassignOwnedStmt",
        NodeEnum::AlterTsdictionaryStmt(_) => "AlterTsdictionaryStmt",
        NodeEnum::AlterTsconfigurationStmt(_) => "AlterTsconfigurationStmt",
        NodeEnum::PublicationTable(_) => "PublicationTable",
        NodeEnum::PublicationObjSpec(_) => "PublicationObjSpec",
        NodeEnum::CreatePublicationStmt(_) => "CreatePublicationStmt",
        NodeEnum::AlterPublicationStmt(_) => "AlterPublicationStmt",
        NodeEnum::CreateSubscriptionStmt(_) => "CreateSubscriptionStmt",
        NodeEnum::AlterSubscriptionStmt(_) => "AlterSubscriptionStmt",
        NodeEnum::DropSubscriptionStmt(_) => "DropSubscriptionStmt",
        NodeEnum::Integer(_) => "Integer",
        NodeEnum::Float(_) => "Float",
        NodeEnum::Boolean(_) => "Boolean",
        NodeEnum::String(_) => "String",
        NodeEnum::BitString(_) => "BitString",
        NodeEnum::List(_) => "List",
        NodeEnum::IntList(_) => "IntList",
        NodeEnum::OidList(_) => "OidList",
        NodeEnum::AConst(_) => "AConst",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use pg_query::Node;
    use policy_core::{Action, Resource, Value, Verb};
    use prost::Message;

    use crate::sql::postgres::scope::Scope;
    use crate::sql::postgres::walk::{Walk, statement};
    use crate::sql::session::Session;
    use crate::sql::{Environment, Kind};

    /// Every kind of node the protobuf form has, empty.
    fn every_kind() -> impl Iterator<Item = Node> {
        const TAGS: std::ops::RangeInclusive<u32> = 1..=400;
        TAGS.filter_map(|tag| {
            let mut bytes = Vec::new();
            prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut bytes);
            bytes.push(0);
            Node::decode(bytes.as_slice()).ok().filter(|node| node.node.is_some())
        })
    }

    fn is_unknown(actions: &[Action]) -> bool {
        actions.iter().any(|action| action.verb == Verb::UNKNOWN)
    }

    /// Whether an action says what is done to what, in full. An empty node has no names, so few do.
    fn is_determined(actions: &[Action]) -> bool {
        actions.iter().all(|action| {
            !matches!(action.resource, Resource::Undetermined)
                && action.attributes().iter().all(|attribute| attribute.value != Value::Undetermined)
        })
    }

    /// Each kind is a statement, an expression or a FROM item that is understood, or gives `unknown`. The table is
    /// the list of what is understood, to be read by whoever changes it.
    #[test]
    fn every_kind_of_node_is_understood_or_unknown() {
        let environment = Environment::unknown();
        let session = Session::new(&environment);
        let mut table = String::new();
        let mut count = 0;
        for node in every_kind() {
            count += 1;
            let kind = super::name(node.node.as_ref().unwrap());
            let as_statement = statement(&session, Some(&node), 0..0);
            let mut walk = Walk::new(&session);
            let lineage = walk.expr(&node);
            let expression_unknown = is_unknown(&walk.effects());
            assert!(
                !expression_unknown || lineage.sources.is_unknown(),
                "{kind}: an unknown value must flow as such"
            );
            let mut walk = Walk::new(&session);
            walk.scopes.push(Scope::default());
            walk.item(&node);
            let from_unknown = is_unknown(&walk.effects());
            let mut uses = Vec::new();
            if !is_unknown(&as_statement.actions) {
                assert_ne!(as_statement.kind, Kind::Unknown, "{kind}");
                uses.push(if is_determined(&as_statement.actions) { "statement" } else { "statement?" });
            }
            if !expression_unknown {
                uses.push("expression");
            }
            if !from_unknown {
                uses.push("from");
            }
            let uses = if uses.is_empty() { "unknown".to_owned() } else { uses.join(" ") };
            writeln!(table, "{kind}: {uses}").unwrap();
        }
        assert_eq!(count, 271, "the grammar has other kinds than this crate was written for");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kinds.txt");
        if std::env::var_os("UPDATE_TABLES").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), table);
    }
}
