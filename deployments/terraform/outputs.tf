output "stream_arn" {
  description = "For target.kinesis.stream."
  value       = aws_kinesis_stream.this.arn
}

output "key_arn" {
  description = "The key that encrypts the stream; its readers need kms:Decrypt on it."
  value       = aws_kms_key.stream.arn
}

output "policy_arn" {
  description = "The policy that the process needs."
  value       = aws_iam_policy.put.arn
}

output "list_policy_arn" {
  description = "The policy that the control plane's test of a connection needs besides; null without list_streams."
  value       = one(aws_iam_policy.list[*].arn)
}

output "role_arn" {
  description = "For the chart's serviceAccount.annotations, as eks.amazonaws.com/role-arn; null without an OIDC provider."
  value       = one(aws_iam_role.this[*].arn)
}
