package oci

import (
	"context"
	"fmt"
)

type trackingKey struct{}

// WithTrackingID returns a context whose commands are sent with that tracking id,
// 1 to 80 characters by the published schema. With it, entries in the platform's
// logs can be matched with the caller's.
func WithTrackingID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, trackingKey{}, id)
}

// checkTrackingID returns an error if a document cannot hold the tracking id of
// ctx.
func (o *Options) checkTrackingID(ctx context.Context) error {
	if o.OmitTrackingID {
		return nil
	}
	if err := checkText(trackingID(ctx)); err != nil {
		return fmt.Errorf("oci: the tracking id %w", err)
	}
	return nil
}

// trackingID returns the tracking id of ctx, or "".
func trackingID(ctx context.Context) string {
	id, _ := ctx.Value(trackingKey{}).(string)
	return id
}
