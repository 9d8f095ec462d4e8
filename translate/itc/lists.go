package itc

import "ocigate/translate"

// listFilters are the filters of all lists. A list has those whose members its
// entries have, so of the two with the name phoneNumber each list has one. The
// names are our own decision; those of the texts are in the fields.
var listFilters = []translate.Filter{
	{
		Name: "phoneNumber", Kind: translate.NumberIn, Key: rangeStartKey, EndKey: rangeEndKey,
		Doc: "Only the range that holds this phone number.",
	},
	{
		Name: "phoneNumber", Kind: translate.PrefixOf, Key: prefixKey,
		Doc: "Only the prefixes with which this phone number begins.",
	},
	{
		Name: "prefix", Kind: translate.SameNumber, Key: prefixKey,
		Doc: "Only this prefix, in any spelling: prefixes are compared by + and digits.",
	},
	{
		Name: "active", Kind: translate.IsTrue, Key: activeField.Key,
		Doc: "Only the entries whose active has this value.",
	},
	{
		Name: "assigned", Kind: translate.IsGiven, Key: userIDKey,
		Doc: "true: only the entries that a user has. false: only those that no user has.",
	},
}
