package oci

import "container/heap"

// ranking holds items so that the first one is known. Each item has a place in it, where
// 0 means that it is not there.
type ranking[T any] struct {
	items  []T
	before func(a, b T) bool // reports whether a is before b
	place  func(T) *int
}

// first returns the first item, or the zero value without items.
func (r *ranking[T]) first() (first T) {
	if len(r.items) > 0 {
		first = r.items[0]
	}
	return first
}

// has reports whether an item is in the ranking.
func (r *ranking[T]) has(item T) bool { return *r.place(item) > 0 }

// set adds or removes an item. If it is there and stays, its rank is determined anew.
func (r *ranking[T]) set(item T, there bool) {
	switch at := *r.place(item); {
	case at == 0 && there:
		heap.Push(byRank[T]{r}, item)
	case at > 0 && there:
		heap.Fix(byRank[T]{r}, at-1)
	case at > 0:
		heap.Remove(byRank[T]{r}, at-1)
	}
}

// reorder determines the ranks of all items anew.
func (r *ranking[T]) reorder() { heap.Init(byRank[T]{r}) }

// byRank implements heap.Interface.
type byRank[T any] struct{ *ranking[T] }

func (r byRank[T]) Len() int           { return len(r.items) }
func (r byRank[T]) Less(i, j int) bool { return r.before(r.items[i], r.items[j]) }

func (r byRank[T]) Swap(i, j int) {
	r.items[i], r.items[j] = r.items[j], r.items[i]
	*r.place(r.items[i]), *r.place(r.items[j]) = i+1, j+1
}

func (r byRank[T]) Push(item any) {
	r.items = append(r.items, item.(T))
	*r.place(item.(T)) = len(r.items)
}

func (r byRank[T]) Pop() any {
	last := len(r.items) - 1
	item := r.items[last]
	var none T
	r.items[last] = none
	r.items = r.items[:last]
	*r.place(item) = 0
	return item
}
