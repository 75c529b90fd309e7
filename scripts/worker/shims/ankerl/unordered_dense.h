// Stands in for ankerl::unordered_dense when the mediasoup worker is built against distribution packages only.
//
// The worker uses its map, set and hash exactly as it would use the standard ones, so they are the standard ones.
// Not here: the dense containers' own extras (values(), extract()). A worker that starts to use them fails to compile.
#pragma once

#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace ankerl::unordered_dense
{
	template<class Key>
	struct hash : std::hash<Key>
	{
	};

	template<class Key, class Value, class Hash = hash<Key>, class Equal = std::equal_to<Key>>
	using map = std::unordered_map<Key, Value, Hash, Equal>;

	template<class Key, class Hash = hash<Key>, class Equal = std::equal_to<Key>>
	using set = std::unordered_set<Key, Hash, Equal>;
} // namespace ankerl::unordered_dense
