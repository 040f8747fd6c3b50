// Program gen draws claims for Karpenter's AWS provider 1.14 and writes down the fleets that it asks for.
package main

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/patrickmn/go-cache"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	v1 "github.com/aws/karpenter-provider-aws/pkg/apis/v1"
	sdk "github.com/aws/karpenter-provider-aws/pkg/aws"
	awscache "github.com/aws/karpenter-provider-aws/pkg/cache"
	"github.com/aws/karpenter-provider-aws/pkg/providers/instance"
	"github.com/aws/karpenter-provider-aws/pkg/providers/launchtemplate"
	"github.com/aws/karpenter-provider-aws/pkg/providers/placementgroup"
	"github.com/aws/karpenter-provider-aws/pkg/providers/subnet"

	oracle "scaletwin/upstream/karpenter"
)

func main() {
	oracle.Main(oracle.Version{Name: "1.14.1", Launch: launch})
}

// fleet is EC2: it takes note of the request, and gives it the first of what it names.
type fleet struct {
	sdk.EC2API
	asked *ec2.CreateFleetInput
}

func (f *fleet) CreateFleet(_ context.Context, in *ec2.CreateFleetInput, _ ...func(*ec2.Options)) (*ec2.CreateFleetOutput, error) {
	f.asked = in
	own := in.LaunchTemplateConfigs[0].Overrides[0]
	return &ec2.CreateFleetOutput{Instances: []ec2types.CreateFleetInstance{{
		InstanceIds:  []string{"i-1"},
		InstanceType: own.InstanceType,
		LaunchTemplateAndOverrides: &ec2types.LaunchTemplateAndOverridesResponse{
			Overrides: &ec2types.FleetLaunchTemplateOverrides{AvailabilityZone: own.AvailabilityZone, InstanceType: own.InstanceType, SubnetId: own.SubnetId, ImageId: own.ImageId},
		},
	}}}, nil
}

// subnets has one subnet in each zone.
type subnets struct{ subnet.Provider }

func (subnets) LivenessProbe(*http.Request) error { return nil }
func (subnets) ZonalSubnetsForLaunch(context.Context, *v1.EC2NodeClass, []*cloudprovider.InstanceType, string) (map[string]*subnet.Subnet, error) {
	all := map[string]*subnet.Subnet{}
	for _, zone := range []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"} {
		all[zone] = &subnet.Subnet{ID: "subnet-" + zone, Zone: zone, AvailableIPAddressCount: 1000}
	}
	return all, nil
}
func (subnets) UpdateInflightIPs(*ec2.CreateFleetInput, *ec2.CreateFleetOutput, []*cloudprovider.InstanceType, []*subnet.Subnet, string) {
}

// templates has one launch template for all types.
type templates struct{ launchtemplate.Provider }

func (templates) EnsureAll(_ context.Context, _ *v1.EC2NodeClass, _ *karpv1.NodeClaim, types []*cloudprovider.InstanceType, _ string, _ map[string]string, _ string) ([]*launchtemplate.LaunchTemplate, error) {
	return []*launchtemplate.LaunchTemplate{{Name: "all", InstanceTypes: types, ImageID: "ami-1"}}, nil
}

type noGroups struct{ placementgroup.Provider }

func (noGroups) Get(context.Context, placementgroup.NodeClass) (*placementgroup.PlacementGroup, error) {
	return nil, nil
}

type silent struct{}

func (silent) Publish(...events.Event) {}

func launch(ctx context.Context, claim *karpv1.NodeClaim, types []*cloudprovider.InstanceType) *oracle.Fleet {
	for _, t := range types {
		for _, o := range t.Offerings {
			if o.CapacityType() == karpv1.CapacityTypeReserved {
				o.Requirements.Add(
					scheduling.NewRequirement(v1.LabelCapacityReservationType, corev1.NodeSelectorOpIn, string(v1.CapacityReservationTypeDefault)),
					scheduling.NewRequirement(v1.LabelCapacityReservationInterruptible, corev1.NodeSelectorOpIn, "false"),
				)
			}
		}
	}
	api := &fleet{}
	// The batcher of EC2 calls lives as long as its context.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	provider := instance.NewDefaultProvider(ctx, "eu-west-1", silent{}, api, awscache.NewUnavailableOfferings(), subnets{}, templates{}, nil, noGroups{}, nil, cache.New(0, 0))
	created, err := provider.Create(ctx, &v1.EC2NodeClass{}, claim, nil, types)
	if cloudprovider.IsInsufficientCapacityError(err) {
		return nil
	}
	if err != nil {
		panic(err)
	}
	own := &oracle.Fleet{CapacityType: created.CapacityType}
	for _, config := range api.asked.LaunchTemplateConfigs {
		for _, override := range config.Overrides {
			own.Overrides = append(own.Overrides, [2]string{string(override.InstanceType), aws.ToString(override.AvailabilityZone)})
		}
	}
	return own
}
